// Generated from docs/api/platform.json by `npm run types`. Not to be edited.

export interface paths {
    "/api/v1/apps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Applications that the caller may list, by team and name. */
        get: operations["apps_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The latest changes that were asked for by this server, the latest first. */
        get: operations["audit_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/claims": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Requests for locations, of all teams: for those who answer. */
        get: operations["claims_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/clusters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Clusters with their reachability and what is free in them, by name. */
        get: operations["clusters_list"];
        put?: never;
        /** Adds a cluster. Its credentials are tried before anything is kept. */
        post: operations["clusters_add"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/clusters/{cluster}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A cluster. */
        get: operations["clusters_show"];
        put?: never;
        post?: never;
        /** Removes a cluster in which there is no instance; one that is given up for lost is removed as it is. */
        delete: operations["clusters_remove"];
        options?: never;
        head?: never;
        /** Changes a cluster: drains it, gives it up for lost, takes it back, changes its groups or credentials. */
        patch: operations["clusters_update"];
        trace?: never;
    };
    "/api/v1/clusters/{cluster}/registry-password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a password for a cluster's nodes, to be put into their runtime's configuration or a pull Secret. It is shown once, and
         *     pulls nothing any more when the cluster is removed here.
         */
        post: operations["clusters_make"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs a local account in. */
        post: operations["sessions_login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes an application of a team. */
        post: operations["apps_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An application. */
        get: operations["apps_show"];
        /** Changes an application. The version that it was read at says what the change was decided on. */
        put: operations["apps_update"];
        post?: never;
        /** Removes an application that has no instance. */
        delete: operations["apps_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/builds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An application's builds, the latest first. */
        get: operations["builds_list"];
        put?: never;
        /** Builds a commit by the application's template, or tells the build of the same inputs, with 200: there is no second one. */
        post: operations["builds_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/builds/{build}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A build. */
        get: operations["builds_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/builds/{build}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A build's log: events `line` with a line as data and `CONTAINER.LINE` as ID, then `end` with what became of it. Who comes back
         *     with `Last-Event-ID` is told what follows. A log is kept for a day.
         */
        get: operations["builds_follow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/claims": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks for room in a location, or for another number there; who answers for the location is asked anew. */
        post: operations["claims_claim"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The application's instances, as its clusters say now. */
        get: operations["apps_instances"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/place": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says where instances would go, and what is short: a dry run. Nothing is changed. */
        post: operations["apps_try_placement"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An application's releases, the latest first. */
        get: operations["releases_list"];
        put?: never;
        /** Starts a release. With an `Idempotency-Key` one that is sent again is answered as the first time, with 200. */
        post: operations["releases_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A release. */
        get: operations["releases_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}/abort": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Brings the old instances back into service, and takes the new ones away. */
        post: operations["releases_abort"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells a release at each change until it is over: events `release` with the object as data and its version as ID, then
         *     `end`. Who comes back with `Last-Event-ID` is told what is new since.
         */
        get: operations["releases_follow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a release stay as it is, until it is resumed or aborted. */
        post: operations["releases_pause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}/promote": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Passes the human gates of the step that a release is in, and ends its bake. */
        post: operations["releases_promote"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/releases/{release}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a paused release go on, also one that paused by itself. */
        post: operations["releases_resume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Goes back to what served before, to a release or to a digest: at once, parked instances first. */
        post: operations["releases_rollback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/apps/{app}/scale": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes how many instances are wanted. More than fit are refused with the numbers, unless `evenWithoutRoom`. */
        post: operations["apps_scale"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/teams/{team}/claims/{claim}/answer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a request for a location. The right is the verb `approve` on `locations`, by the location's name. */
        post: operations["claims_answer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Templates with their versions, by name. */
        get: operations["templates_list"];
        put?: never;
        /** Makes a version of a template. */
        post: operations["templates_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/templates/{template}/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A version of a template. */
        get: operations["templates_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who asks, as RBAC knows them. */
        get: operations["sessions_who_am_i"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A number of instances, or a share of all in percent, rounded up */
        Amount: number | string;
        /** @description An application. */
        AppObject: {
            created?: null | components["schemas"]["Moment"];
            /** @description Its name. */
            name: string;
            /** @description The version of what is wanted. The status does not count. */
            resourceVersion: string;
            /** @description What is wanted of it. */
            spec: components["schemas"]["AppSpec"];
            /** @description What is said of it. */
            status: components["schemas"]["AppStatus"];
            /** @description The team: its namespace on the hub. */
            team: string;
        };
        /** @description One application. Its namespace is its team's. */
        AppSpec: {
            /** @description AddressSets that the instances' addresses are in. */
            addressSets?: string[];
            /** @description Who is told of instances that come into service and leave it. */
            discovery?: components["schemas"]["Discovery"][];
            hooks?: null | components["schemas"]["Hooks"];
            /** @description Where instances may be. */
            placement: components["schemas"]["PlacementSpec"];
            /** @description How a release goes. */
            release?: components["schemas"]["ReleasePolicy"];
            /**
             * Format: int32
             * @description Instances that are wanted; where `scale` is given, what it begins with.
             */
            replicas: number;
            /** @description The git repository: an `https://` or `ssh://` URL. */
            repo: string;
            /** @description What one instance requests. */
            resources?: components["schemas"]["Resources"];
            scale?: null | components["schemas"]["Scale"];
            /** @description The team that answers for it. */
            team: string;
            /** @description The template and its values. */
            template: components["schemas"]["TemplateRef"];
        };
        /** @description What is said of an application. */
        AppStatus: {
            /**
             * Format: int32
             * @description Instances in service, as far as is known.
             */
            inService?: number;
            /** @description The release that acts, by its name. */
            release?: string | null;
            stable?: null | components["schemas"]["Stable"];
        };
        /** @description An application in a list. */
        AppSummary: {
            /**
             * Format: int32
             * @description Instances in service, as far as is known.
             */
            inService: number;
            /** @description Its locations, in their order. */
            locations: string[];
            /** @description Its name. */
            name: string;
            phase?: null | components["schemas"]["Phase"];
            /** @description The release that acts. */
            release?: string | null;
            /**
             * Format: int32
             * @description Instances that are wanted.
             */
            replicas: number;
            /** @description Its git repository. */
            repo: string;
            /** @description The revision that the last finished release left. */
            revision?: string | null;
            /** @description The team: its namespace on the hub. */
            team: string;
            /** @description Its template, `NAME@VERSION`. */
            template: string;
        };
        /** @description An application to make or to change. */
        AppWrite: {
            /** @description Its name, of a DNS label. Of a change: absent, or the same as in the path. */
            name?: string | null;
            /** @description Of a change: the version that it was decided on. */
            resourceVersion?: string | null;
            /** @description What is wanted of it. */
            spec: components["schemas"]["AppSpec"];
        };
        /** @description A build. */
        BuildObject: {
            /** @description Who asked for it, where that was by the API. */
            by?: string | null;
            created?: null | components["schemas"]["Moment"];
            /** @description Its name, which stands for its inputs. */
            name: string;
            /** @description The version that this is. */
            resourceVersion: string;
            /** @description What is built. */
            spec: components["schemas"]["BuildSpec"];
            /** @description How far it is. */
            status: components["schemas"]["BuildStatus"];
            /** @description The team: its namespace on the hub. */
            team: string;
        };
        /**
         * @description How far a build is.
         * @enum {string}
         */
        BuildPhase: "Pending" | "Running" | "Done" | "Failed";
        /** @description A commit to build. */
        BuildRequest: {
            /** @description Build it once more where that failed before. */
            again?: boolean;
            /** @description A commit (40 hexadecimal digits), or a branch or tag of the repository. */
            commit: string;
        };
        /** @description A commit built by a template's version. The same inputs have the same name, and there is no second build. */
        BuildSpec: {
            /** @description The application, in the same namespace. */
            app: string;
            /** @description The template's base image, by digest. */
            baseImage?: string | null;
            /** @description The commit: 40 hexadecimal digits. */
            commit: string;
            /** @description The git repository, as the application had it. */
            repo: string;
            /** @description The template that it is built by. */
            template: string;
            /**
             * Format: int32
             * @description The template's version.
             */
            templateVersion: number;
        };
        /** @description How far a build is. */
        BuildStatus: {
            began?: null | components["schemas"]["Moment"];
            /** @description The cluster that builds it: its log is there for a day. */
            cluster?: string | null;
            /** @description The image, once it is in the registry: `sha256:` and 64 hexadecimal digits. */
            digest?: string | null;
            ended?: null | components["schemas"]["Moment"];
            /** @description How far it is. */
            phase?: components["schemas"]["BuildPhase"];
            /** @description What is waited for, or why it failed, for people. */
            reason?: string | null;
        };
        /** @description Instances of a group of nodes of a cluster. */
        CellCount: {
            /** @description The cluster. */
            cluster: string;
            /**
             * Format: int32
             * @description How many.
             */
            count: number;
            /** @description The group. */
            group: string;
            /** @description Its location. */
            location: string;
        };
        /** @description An entry of the audit log: a change that was asked for. */
        Change: {
            /** @description What: `release.start`, `app.update` and so on. */
            action: string;
            /** @description When it was begun. */
            at: components["schemas"]["Moment"];
            /** @description Who asked: the user's name. */
            by: string;
            /** @description The difference. Secrets are not in it. */
            difference?: components["schemas"]["FieldChange"][];
            /**
             * Format: int64
             * @description Its number, from 1, of this server's log.
             */
            number: number;
            /** @description The object: `apps/web`, `releases/web-3`, `clusters/idc`. */
            object: string;
            /** @description What became of it. */
            outcome: components["schemas"]["ChangeOutcome"];
            /** @description Why it was refused, for people. */
            reason?: string | null;
            /** @description The object's team; absent for what belongs to none. */
            team?: string | null;
        };
        /**
         * @description What became of a change.
         * @enum {string}
         */
        ChangeOutcome: "begun" | "done" | "failed";
        /** @description A request for a location. */
        Claim: {
            /**
             * Format: int32
             * @description The most instances there, parked ones and those of a release under way included.
             */
            instances: number;
            /** @description The location. */
            location: string;
            /** @description What for, for who answers. */
            reason?: string | null;
        };
        /** @description The answer to a request for a location. */
        ClaimAnswer: {
            /** @description Whether it is granted. */
            approved: boolean;
            /** @description Why not, for people. */
            message?: string | null;
        };
        /** @description A request for a location, and the answer. */
        ClaimObject: {
            /** @description Its name. */
            name: string;
            /** @description The version of what is wanted. The status does not count. */
            resourceVersion: string;
            /**
             * Format: int64
             * @description Instances of that application's size that fit into the location now.
             */
            room?: number | null;
            /** @description What is asked for. */
            spec: components["schemas"]["LocationClaimSpec"];
            /** @description The answer. */
            status: components["schemas"]["LocationClaimStatus"];
            /** @description The team: its namespace on the hub. */
            team: string;
        };
        /** @description A cluster to add. */
        ClusterAdd: {
            /** @description What lets the platform in. It is kept in a Secret of the hub, and never told again. */
            credentials: components["schemas"]["ClusterCredentials"];
            /** @description The URL of its API server; with a kubeconfig it is that of its current context where this is absent. */
            endpoint?: string | null;
            /** @description Groups of its nodes. */
            groups?: components["schemas"]["NodeGroup"][];
            /** @description The location, by the name that placements use. */
            location: string;
            /** @description Its name, of a DNS label. */
            name: string;
        };
        /** @description What was counted in a cluster. */
        ClusterCount: {
            /**
             * @description The cluster.
             * @default
             */
            cluster?: string;
            /**
             * @description Whether the figures are current.
             * @default false
             */
            current?: boolean;
            /**
             * Format: int32
             * @description Instances in service, of all revisions.
             * @default 0
             */
            inService?: number;
            /**
             * Format: int32
             * @description Instances of the release's revision.
             * @default 0
             */
            new?: number;
            /**
             * Format: int32
             * @description Instances in service, of the release's revision.
             * @default 0
             */
            newInService?: number;
            /**
             * Format: int32
             * @description Instances of others.
             * @default 0
             */
            old?: number;
            /**
             * Format: int32
             * @description Instances of all revisions that are kept out of service.
             * @default 0
             */
            parked?: number;
        };
        /** @description What lets the platform into a cluster: a kubeconfig, or a token and the authority of the server's certificate. */
        ClusterCredentials: {
            /** @description The authority of the server's certificate, PEM. */
            ca?: string | null;
            /** @description A kubeconfig with its credentials in it (`kubectl config view --raw --flatten --minify`). */
            kubeconfig?: string | null;
            /** @description A bearer token. */
            token?: string | null;
        };
        /** @description A member cluster. */
        ClusterObject: {
            created?: null | components["schemas"]["Moment"];
            /** @description Its name. */
            name: string;
            /** @description The version of what is wanted. The status does not count. */
            resourceVersion: string;
            /** @description What is wanted. The credentials are a reference. */
            spec: components["schemas"]["ClusterSpec"];
            /** @description What is observed. */
            status: components["schemas"]["ClusterStatus"];
        };
        /**
         * @description A Kubernetes cluster that applications' instances are placed in. The controller speaks to its API server; there is
         *     no agent in it.
         */
        ClusterSpec: {
            /** @description The Secret on the hub with the key `kubeconfig`, or the keys `token` and `ca.crt`. */
            credentials: components["schemas"]["SecretRef"];
            /** @description The URL of its API server: `https://` and a host. */
            endpoint: string;
            /** @description Groups of its nodes. A node that is in none is not used. */
            groups?: components["schemas"]["NodeGroup"][];
            /** @description The location, by the name that applications' placements use. */
            location: string;
            state?: null | components["schemas"]["ClusterState"];
        };
        /**
         * @description Whether instances are placed in a cluster.
         * @enum {string}
         */
        ClusterState: "Active" | "Draining" | "Lost";
        /** @description What is observed of a cluster. */
        ClusterStatus: {
            /** @description What is free in each group. */
            headroom?: components["schemas"]["GroupHeadroom"][];
            lastSeen?: null | components["schemas"]["Moment"];
            /** @description What hinders, for people. */
            message?: string | null;
            /** @description Whether its API server answers. */
            reachable?: components["schemas"]["Reachable"];
            /** @description The version of its Kubernetes. */
            version?: string | null;
        };
        /** @description What of a cluster is to be changed; what is absent stays. */
        ClusterUpdate: {
            credentials?: null | components["schemas"]["ClusterCredentials"];
            /** @description All groups of its nodes. */
            groups?: components["schemas"]["NodeGroup"][] | null;
            /** @description The version that the change was decided on. */
            resourceVersion?: string | null;
            state?: null | components["schemas"]["ClusterState"];
        };
        /**
         * @description Which problem it is.
         * @enum {string}
         */
        Code: "bad_request" | "invalid" | "unauthenticated" | "forbidden" | "not_found" | "method_not_allowed" | "already_exists" | "conflict" | "key_reused" | "wrong_state" | "no_room" | "too_many_requests" | "body_refused" | "member_failed" | "hub_unreachable" | "audit_unavailable" | "internal";
        /**
         * @description How long is waited. Time counts only while somebody watches, and while no cluster that is waited for is
         *     unreachable.
         */
        Deadlines: {
            /** @default 1m */
            drain?: components["schemas"]["Span"];
            /** @default 10m */
            gate?: components["schemas"]["Span"];
            /** @default 10m */
            ready?: components["schemas"]["Span"];
        };
        /**
         * @description What somebody wants of a release.
         * @enum {string}
         */
        Decision: "Run" | "Pause" | "Promote" | "Abort";
        /** @description Who is told of instances in service. Exactly one of the fields. */
        Discovery: {
            /** @description A URL that is sent a POST. */
            httpHook?: string | null;
            /** @description An upstream of nginx on hosts outside of the clusters. */
            nginxUpstream?: string | null;
            /**
             * Format: int32
             * @description The port of a Kubernetes Service.
             */
            servicePort?: number | null;
        };
        /** @description A field that changed. */
        FieldChange: {
            /** @description Its path, as in `replicas` or `placement.locations[0].min`. */
            field: string;
            /** @description What it was; absent where it was not there. */
            from?: unknown;
            /** @description What it is now; absent where it is not there any more. */
            to?: unknown;
        };
        /** @description What is wrong with a field of a request. */
        FieldProblem: {
            /** @description Its path, as in `spec.placement.locations[0].name`. */
            field: string;
            /** @description What is wrong. */
            message: string;
        };
        /** @description Something that must pass before a step is over. Exactly one of the fields. */
        Gate: {
            /** @description Every subscriber of the AddressSets has acknowledged the new instances. */
            addresses?: boolean | null;
            /** @description Somebody promotes the step. */
            human?: boolean | null;
            metrics?: null | components["schemas"]["Metrics"];
            /** @description The new instances are reached from the hub, and the network of their nodes is ready. */
            network?: boolean | null;
            /**
             * @description An HTTP path of the new instances that answers 200: `/PATH`, at the first port that the pod declares (80 where it
             *     declares none), or `:PORT/PATH`.
             */
            probe?: string | null;
        };
        /** @description What a gate says. */
        GateStatus: {
            /**
             * Format: int32
             * @description The gate's place in its step, from 0.
             */
            gate: number;
            /** @description What it is: `network`, `addresses`, `probe`, `metrics` or `human`. */
            kind: string;
            /** @description Why, for people. */
            reason?: string;
            /** @description What it says. */
            verdict: components["schemas"]["Verdict"];
        };
        /** @description What is free in a group of nodes: sums over its ready and schedulable nodes. */
        GroupHeadroom: {
            /**
             * Format: int64
             * @description Free addresses of Flatnet's ranges on the nodes, less those in quarantine.
             */
            addresses: number;
            /**
             * Format: int64
             * @description Thousandths of a CPU that no pod has requested.
             */
            cpuMillis: number;
            /** @description The group. */
            group: string;
            /**
             * Format: int64
             * @description Bytes of memory that no pod has requested.
             */
            memoryBytes: number;
            /**
             * Format: int32
             * @description Its nodes.
             */
            nodes: number;
            /**
             * Format: int64
             * @description Pods that the kubelets would still take.
             */
            pods: number;
        };
        /** @description A change of phase. */
        HistoryEntry: {
            /** @description When. */
            at: components["schemas"]["Moment"];
            /** @description Why, for people. */
            message?: string;
            /** @description The phase that it went to. */
            phase: components["schemas"]["Phase"];
            /**
             * Format: int32
             * @description The step, from 1.
             */
            step: number;
        };
        /** @description What is run in an instance at the turns of its life: paths in the image. */
        Hooks: {
            /** @description Run when it is parked, for workers that take work by themselves. */
            park?: string | null;
            /** @description Starts the application. */
            start?: string | null;
            /** @description Stops it, within the pod's grace period. */
            stop?: string | null;
        };
        /** @description An instance: a pod. */
        Instance: {
            /** @description Its addresses. */
            addresses?: string[];
            /** @description The cluster. */
            cluster: string;
            created?: null | components["schemas"]["Moment"];
            /** @description The group of nodes. */
            group: string;
            /** @description Its location. */
            location: string;
            /** @description The pod's name. */
            name: string;
            /** @description Its node; absent until it has one. */
            node?: string | null;
            /** @description Why it does not serve, for people. */
            reason?: string;
            /**
             * Format: int32
             * @description How often its containers were started again.
             */
            restarts: number;
            /** @description The revision that it runs. */
            revision: string;
            /** @description What it does. */
            state: components["schemas"]["InstanceState"];
        };
        /**
         * @description What an instance does.
         * @enum {string}
         */
        InstanceState: "inService" | "starting" | "draining" | "parked" | "deleting" | "ended";
        /** @description An application's instances, as the clusters say now. */
        Instances: {
            /** @description The instances, by cluster and name. */
            items: components["schemas"]["Instance"][];
            /** @description Clusters that could not be asked: what is there is unknown. */
            unread?: components["schemas"]["Unread"][];
        };
        /** @description Old instances that are kept out of service. */
        KeepOld: {
            /** @default 100% */
            count?: components["schemas"]["Amount"];
            /** @default 1h */
            for?: components["schemas"]["Span"];
        };
        /**
         * @description An application's request to be in a location, and the answer of who is responsible for the location. Approved, it
         *     is a quota.
         */
        LocationClaimSpec: {
            /** @description The application, in the same namespace. */
            app: string;
            /**
             * Format: int32
             * @description The most instances that it may have there, parked ones and those of a release under way included.
             */
            instances: number;
            /** @description The location. */
            location: string;
            /** @description What for, for who answers. */
            reason?: string | null;
        };
        /** @description The answer to a claim. */
        LocationClaimStatus: {
            /** @description Whether it is granted; absent while nobody has answered. */
            approved?: boolean | null;
            at?: null | components["schemas"]["Moment"];
            /** @description Who answered. */
            by?: string | null;
            /** @description Why it was refused, for people. */
            message?: string | null;
        };
        /** @description A location for instances. */
        LocationWish: {
            /**
             * Format: int32
             * @description Instances that are placed there at least, and that no action of a release takes out of service below. Absent:
             *     what the placement gives it, less what may be missing.
             */
            min?: number | null;
            /** @description Its name: clusters' `location`. */
            name: string;
        };
        /**
         * @description Which locations a step's instances are in.
         * @enum {string}
         */
        Locations: "First" | "Each";
        /** @description A local account's name and password. */
        Login: {
            /** @description The account's name. */
            name: string;
            /** @description Its password. */
            password: string;
        };
        /** @description A measure that decides. */
        Metrics: {
            /**
             * Format: int32
             * @description Samples without which it says nothing: those of the selector in what is compared that has most.
             */
            minSamples: number;
            /**
             * @description A PromQL comparison (`… < 0.01`) that has a result while all is well. `{{ .app }}`, `{{ .namespace }}`,
             *     `{{ .revision }}` (the new one) and `{{ .stable }}` (the one before) stand for names.
             */
            query: string;
        };
        /** Format: date-time */
        Moment: string;
        /** @description A group of nodes. */
        NodeGroup: {
            /** @description The one application that may use it (`NAMESPACE/NAME`); absent where all may. */
            exclusiveFor?: string | null;
            /** @description Its name, which is one within the cluster. */
            name: string;
            /** @description Labels that its nodes have. */
            nodeSelector: {
                [key: string]: string;
            };
        };
        /**
         * @description What becomes of a release that fails.
         * @enum {string}
         */
        OnFailure: "Abort" | "Pause";
        /** @description A page of a list. */
        Page_AppSummary: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                /**
                 * Format: int32
                 * @description Instances in service, as far as is known.
                 */
                inService: number;
                /** @description Its locations, in their order. */
                locations: string[];
                /** @description Its name. */
                name: string;
                phase?: null | components["schemas"]["Phase"];
                /** @description The release that acts. */
                release?: string | null;
                /**
                 * Format: int32
                 * @description Instances that are wanted.
                 */
                replicas: number;
                /** @description Its git repository. */
                repo: string;
                /** @description The revision that the last finished release left. */
                revision?: string | null;
                /** @description The team: its namespace on the hub. */
                team: string;
                /** @description Its template, `NAME@VERSION`. */
                template: string;
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_BuildObject: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                /** @description Who asked for it, where that was by the API. */
                by?: string | null;
                created?: null | components["schemas"]["Moment"];
                /** @description Its name, which stands for its inputs. */
                name: string;
                /** @description The version that this is. */
                resourceVersion: string;
                /** @description What is built. */
                spec: components["schemas"]["BuildSpec"];
                /** @description How far it is. */
                status: components["schemas"]["BuildStatus"];
                /** @description The team: its namespace on the hub. */
                team: string;
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_Change: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                /** @description What: `release.start`, `app.update` and so on. */
                action: string;
                /** @description When it was begun. */
                at: components["schemas"]["Moment"];
                /** @description Who asked: the user's name. */
                by: string;
                /** @description The difference. Secrets are not in it. */
                difference?: components["schemas"]["FieldChange"][];
                /**
                 * Format: int64
                 * @description Its number, from 1, of this server's log.
                 */
                number: number;
                /** @description The object: `apps/web`, `releases/web-3`, `clusters/idc`. */
                object: string;
                /** @description What became of it. */
                outcome: components["schemas"]["ChangeOutcome"];
                /** @description Why it was refused, for people. */
                reason?: string | null;
                /** @description The object's team; absent for what belongs to none. */
                team?: string | null;
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_ClaimObject: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                /** @description Its name. */
                name: string;
                /** @description The version of what is wanted. The status does not count. */
                resourceVersion: string;
                /**
                 * Format: int64
                 * @description Instances of that application's size that fit into the location now.
                 */
                room?: number | null;
                /** @description What is asked for. */
                spec: components["schemas"]["LocationClaimSpec"];
                /** @description The answer. */
                status: components["schemas"]["LocationClaimStatus"];
                /** @description The team: its namespace on the hub. */
                team: string;
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_ClusterObject: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                created?: null | components["schemas"]["Moment"];
                /** @description Its name. */
                name: string;
                /** @description The version of what is wanted. The status does not count. */
                resourceVersion: string;
                /** @description What is wanted. The credentials are a reference. */
                spec: components["schemas"]["ClusterSpec"];
                /** @description What is observed. */
                status: components["schemas"]["ClusterStatus"];
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_ReleaseObject: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                /** @description Who started it, where that was by the API. */
                by?: string | null;
                created?: null | components["schemas"]["Moment"];
                /** @description Its name: the application's and a number. */
                name: string;
                /**
                 * Format: int32
                 * @description Instances that the application wants.
                 */
                replicas: number;
                /** @description The version that this is. */
                resourceVersion: string;
                /** @description What is wanted of it. */
                spec: components["schemas"]["ReleaseSpec"];
                /** @description How far it is. */
                status: components["schemas"]["ReleaseStatus"];
                /**
                 * Format: int32
                 * @description Steps of the application's policy.
                 */
                steps: number;
                /** @description The team: its namespace on the hub. */
                team: string;
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_TemplateObject: {
            /** @description The objects, in the order of their names unless the list says another. */
            items: {
                created?: null | components["schemas"]["Moment"];
                /** @description It; it never changes. */
                spec: components["schemas"]["TemplateSpec"];
            }[];
            /** @description What `after` is to be for the next page; absent on the last one. */
            next?: string | null;
        };
        /**
         * @description How far a release is.
         * @enum {string}
         */
        Phase: "Pending" | "Placing" | "Raising" | "Waiting" | "Gating" | "Baking" | "Holding" | "Retiring" | "Done" | "Paused" | "Aborting" | "Aborted" | "Superseded" | "Failed";
        /** @description A placement to try. */
        PlaceRequest: {
            placement?: null | components["schemas"]["PlacementSpec"];
            /**
             * Format: int32
             * @description Instances in all; the application's where it is absent.
             */
            replicas?: number | null;
        };
        /** @description Where instances go that are not there yet. The cluster's scheduler decides: nodes are a prediction. */
        Placed: {
            /** @description Where those go. */
            cells: components["schemas"]["PlacedCell"][];
            /**
             * Format: int32
             * @description How many of them have room.
             */
            fits: number;
            /** @description What is short, for people; empty where nothing is. */
            shortage?: string;
            /** @description Clusters that could not be looked at: they may have room. */
            unread?: components["schemas"]["Unread"][];
            /**
             * Format: int32
             * @description How many are to be added.
             */
            wanted: number;
        };
        /** @description Instances to add in a group of nodes. */
        PlacedCell: {
            /** @description The cluster. */
            cluster: string;
            /**
             * Format: int32
             * @description How many.
             */
            count: number;
            /** @description The group. */
            group: string;
            /** @description Its location. */
            location: string;
            /** @description The nodes, as they would be chosen by what is free. */
            nodes: components["schemas"]["PlacedNode"][];
        };
        /** @description Instances on a node. */
        PlacedNode: {
            /**
             * Format: int32
             * @description Instances to add.
             */
            count: number;
            /** @description The node. */
            name: string;
        };
        /** @description Where instances may be. */
        PlacementSpec: {
            /** @description The group of nodes, in each cluster; absent for all groups that are exclusive to nobody else. */
            group?: string | null;
            /** @description The locations, in the order in which a step `First` takes them. */
            locations: components["schemas"]["LocationWish"][];
            spread?: null | components["schemas"]["Spread"];
        };
        /** @description Why a request was refused or failed: `application/problem+json`, RFC 9457. */
        Problem: {
            /** @description For programs. */
            code: components["schemas"]["Code"];
            /** @description What was attempted, on what, and what came back, for people. */
            detail: string;
            /** @description What is wrong with single fields of the request. */
            fields?: components["schemas"]["FieldProblem"][];
            /** @description What to do. */
            hint?: string | null;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The HTTP status in words. */
            title: string;
            /** @description `about:blank`: the code says which problem it is. */
            type: string;
        };
        /** @description Which step is promoted. */
        PromoteRequest: {
            /**
             * Format: int32
             * @description The step, from 1; the one that the release is in where it is absent.
             */
            step?: number | null;
        };
        /**
         * @description Whether an API server answers.
         * @enum {string}
         */
        Reachable: "True" | "False" | "Unknown";
        /** @description With what a cluster's nodes pull images. */
        RegistryPassword: {
            /** @description Until when it is valid. */
            expires: components["schemas"]["Moment"];
            /** @description Its password. */
            password: string;
            /** @description The user. */
            user: string;
        };
        /**
         * @description The way forth, or the way back.
         * @enum {string}
         */
        ReleaseKind: "Deploy" | "Rollback";
        /** @description A release. */
        ReleaseObject: {
            /** @description Who started it, where that was by the API. */
            by?: string | null;
            created?: null | components["schemas"]["Moment"];
            /** @description Its name: the application's and a number. */
            name: string;
            /**
             * Format: int32
             * @description Instances that the application wants.
             */
            replicas: number;
            /** @description The version that this is. */
            resourceVersion: string;
            /** @description What is wanted of it. */
            spec: components["schemas"]["ReleaseSpec"];
            /** @description How far it is. */
            status: components["schemas"]["ReleaseStatus"];
            /**
             * Format: int32
             * @description Steps of the application's policy.
             */
            steps: number;
            /** @description The team: its namespace on the hub. */
            team: string;
        };
        /** @description How a release goes. */
        ReleasePolicy: {
            /**
             * @default {
             *       "drain": "1m",
             *       "gate": "10m",
             *       "ready": "10m"
             *     }
             */
            deadlines?: components["schemas"]["Deadlines"];
            /**
             * @default {
             *       "count": "100%",
             *       "for": "1h"
             *     }
             */
            keepOld?: components["schemas"]["KeepOld"];
            /** @default 25% */
            maxSurge?: components["schemas"]["Amount"];
            /** @default 0 */
            maxUnavailable?: components["schemas"]["Amount"];
            /** @default Abort */
            onFailure?: components["schemas"]["OnFailure"];
            /**
             * @description The steps; what the last one leaves of the whole is done without a gate. None: all at once.
             * @default []
             */
            steps?: components["schemas"]["Step"][];
        };
        /** @description A release to start. */
        ReleaseRequest: {
            /** @description The image: `sha256:` and 64 hexadecimal digits. */
            digest: string;
            /**
             * @description Whether instances in clusters that are unreachable count as they were seen last when others are taken out of
             *     service.
             */
            emergency?: boolean;
            /** @description The template's values; the application's where they are absent. */
            values?: unknown;
        };
        /** @description An application's digest and values taken through the steps of its policy, over all clusters with one budget. */
        ReleaseSpec: {
            /** @description The application, in the same namespace. */
            app: string;
            /**
             * Format: int32
             * @description One more, and a release that paused by itself goes on.
             */
            attempt?: number;
            /** @description What somebody wants of it. */
            decision?: components["schemas"]["Decision"];
            /**
             * Format: int32
             * @description Of `Promote`: the step (from 1) whose human gates pass and whose bake ends.
             */
            decisionStep?: number | null;
            /** @description The image: `sha256:` and 64 hexadecimal digits. Never a tag. */
            digest: string;
            /**
             * @description An emergency: instances in clusters that are unreachable count as they were seen last when others are taken out
             *     of service. Aborts and rollbacks do that by themselves.
             */
            emergency?: boolean;
            /** @description The way forth, or the way back. */
            kind?: components["schemas"]["ReleaseKind"];
            /** @description The template's values; the application's where they are absent. */
            values?: unknown;
        };
        /** @description What is said of a release. With what is observed of the clusters it is all that the controller knows. */
        ReleaseStatus: {
            /**
             * Format: int32
             * @description The `spec.attempt` that it acts on.
             * @default 0
             */
            attempt?: number;
            /** @default null */
            from?: null | components["schemas"]["Stable"];
            /**
             * @description What the gates of the step say.
             * @default []
             */
            gates?: components["schemas"]["GateStatus"][];
            /**
             * @description The last changes of phase, the latest last; at most fifty.
             * @default []
             */
            history?: components["schemas"]["HistoryEntry"][];
            /**
             * @description What is waited for, or what went wrong, for people.
             * @default
             */
            message?: string;
            /**
             * @description What was counted in each cluster when it was reachable last.
             * @default []
             */
            perCluster?: components["schemas"]["ClusterCount"][];
            /** @default Pending */
            phase?: components["schemas"]["Phase"];
            /**
             * @description Why it is in that phase: one word in CamelCase.
             * @default
             */
            reason?: string;
            /**
             * @description The revision that it brings.
             * @default
             */
            revision?: string;
            /**
             * Format: int32
             * @description How often the step's gates were begun anew, since its instances were not all in service any more.
             * @default 0
             */
            round?: number;
            /**
             * @description What of the wanted number of instances has no room, for people; empty where all has.
             * @default
             */
            shortage?: string;
            /**
             * Format: int32
             * @description The step, from 1; 0 before the first.
             * @default 0
             */
            step?: number;
            /**
             * @description Where its instances go.
             * @default []
             */
            target?: components["schemas"]["CellCount"][];
            /**
             * @default {
             *       "bake": "0s",
             *       "gate": "0s",
             *       "hold": "0s",
             *       "ready": "0s"
             *     }
             */
            timers?: components["schemas"]["Timers"];
        };
        /** @description What one instance requests of a node, beside one pod and one address. */
        Resources: {
            /**
             * Format: int64
             * @description Thousandths of a CPU.
             */
            cpuMillis: number;
            /**
             * Format: int64
             * @description Bytes of memory.
             */
            memoryBytes: number;
        };
        /** @description What to go back to. */
        RollbackRequest: {
            /** @description A release's name, or a digest. Absent: what served before the release that acts. */
            to?: string | null;
        };
        /** @description Instances by signals. */
        Scale: {
            /**
             * Format: int32
             * @description Never more.
             */
            max: number;
            /**
             * Format: int32
             * @description Never fewer.
             */
            min: number;
            /** @description What is done where a signal has no data. */
            onSignalLoss?: components["schemas"]["SignalLoss"];
            /** @description What is measured; the one that asks for most wins. */
            signals?: components["schemas"]["Signal"][];
        };
        /** @description How many instances are wanted. */
        ScaleRequest: {
            /** @description Also where there is no room for all of them now: those wait for it. */
            evenWithoutRoom?: boolean;
            /**
             * Format: int32
             * @description So many.
             */
            replicas: number;
        };
        /** @description What became of a change of the number of instances. */
        Scaled: {
            /**
             * Format: int32
             * @description Instances that were wanted before.
             */
            from: number;
            /** @description Where more go, as seen now. */
            placed: components["schemas"]["Placed"];
            /** @description The release that raises or lowers them; absent where none acts, and nothing happens before the first one. */
            release?: string | null;
            /**
             * Format: int32
             * @description Instances that are wanted now.
             */
            to: number;
        };
        /** @description A Secret of the hub. */
        SecretRef: {
            /** @description Its name. */
            name: string;
            /** @description Its namespace. */
            namespace: string;
        };
        /** @description What a login gives. */
        Session: {
            /** @description Until when it is valid. */
            expires: components["schemas"]["Moment"];
            /** @description For the header `Authorization: Bearer TOKEN`. */
            token: string;
        };
        /** @description A measure that instances are counted by. */
        Signal: {
            /** @description How much of it one instance is to have, as a decimal number. */
            perInstance: string;
            /** @description A PromQL expression whose value is a sum over all instances. */
            query: string;
        };
        /**
         * @description What is done where a signal has no data. There is no choice that lowers.
         * @enum {string}
         */
        SignalLoss: "Hold" | "Max";
        /** @description A duration: numbers with ms, s, m, h or d, as in 90s or 1h30m */
        Span: string;
        /**
         * @description How instances are kept apart.
         * @enum {string}
         */
        Spread: "Switch" | "Host" | "Pack";
        /** @description A revision that serves, and where its instances are meant to be. */
        Stable: {
            /** @description Instances by cluster and group. */
            placement?: components["schemas"]["CellCount"][];
            /** @description The revision: ten hexadecimal digits. */
            revision: string;
        };
        /** @description A step of a release. */
        Step: {
            /** @description How long the gates must hold. */
            bake?: components["schemas"]["Span"];
            /** @description What must pass. */
            gates?: components["schemas"]["Gate"][];
            /** @description How many instances are new at its end, in all. */
            instances: components["schemas"]["Amount"];
            /** @description Which locations they are in. */
            locations?: components["schemas"]["Locations"];
        };
        /** @description A version of a template. */
        TemplateObject: {
            created?: null | components["schemas"]["Moment"];
            /** @description It; it never changes. */
            spec: components["schemas"]["TemplateSpec"];
        };
        /** @description A version of a template, and values for it. */
        TemplateRef: {
            /** @description The template. */
            name: string;
            /** @description What its placeholders stand for. */
            values?: unknown;
            /**
             * Format: int32
             * @description The version.
             */
            version: number;
        };
        /** @description How a kind of component is built and run. One object a version; it never changes. */
        TemplateSpec: {
            /** @description The base image, by digest. */
            baseImage?: string | null;
            /** @description The Dockerfile that applications of this template are built with, unless they have their own. */
            dockerfile?: string | null;
            hooks?: null | components["schemas"]["Hooks"];
            /** @description The template's name; the object's is this with `-vVERSION`. */
            name: string;
            /** @description A pod's template, in which `{{ .NAME }}` stands for a value. */
            podTemplate: unknown;
            /** @description JSON Schema of the values that an application gives. */
            schema?: unknown;
            /**
             * Format: int32
             * @description The version: 1, 2, 3 and so on.
             */
            version: number;
        };
        /** @description A version of a template to make. */
        TemplateWrite: {
            /** @description It. */
            spec: components["schemas"]["TemplateSpec"];
        };
        /**
         * @description Time that is counted. Each look at the release adds what passed since the last one, but never more than a bound, and
         *     nothing where the clock went back: so a clock that jumps ends no bake, and time in which nobody looked does not count.
         */
        Timers: {
            /** @default 0s */
            bake?: components["schemas"]["Span"];
            /** @default 0s */
            gate?: components["schemas"]["Span"];
            /** @default 0s */
            hold?: components["schemas"]["Span"];
            /** @default 0s */
            ready?: components["schemas"]["Span"];
            /** @default null */
            seen?: null | components["schemas"]["Moment"];
        };
        /** @description A cluster that could not be read. */
        Unread: {
            /** @description The cluster. */
            cluster: string;
            /** @description Why, for people. */
            reason: string;
        };
        /**
         * @description What a gate says.
         * @enum {string}
         */
        Verdict: "Pass" | "Fail" | "Unknown";
        /** @description Who asks, by the names that Kubernetes' RBAC knows. */
        WhoAmI: {
            /** @description The groups. */
            groups: string[];
            /** @description The user: `local:NAME`, `oidc:NAME`, or as the hub names the holder of a token of its own. */
            name: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    apps_list: {
        parameters: {
            query?: {
                /** @description Only this team's. */
                team?: string;
                /** @description Words that all occur in the team, name, repository, template, a location or the phase of the release. */
                q?: string;
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_AppSummary"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    audit_list: {
        parameters: {
            query?: {
                /**
                 * @description Only changes of this team's objects: who may see them may list the team's applications. Without it the right to
                 *     `get audits` is needed.
                 */
                team?: string;
                /** @description Only changes of this object: `apps/web`. */
                object?: string;
                /** @description The most changes of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Change"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    claims_list: {
        parameters: {
            query?: {
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_ClaimObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_list: {
        parameters: {
            query?: {
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_ClusterObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_add: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ClusterAdd"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClusterObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                cluster: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClusterObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                cluster: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                cluster: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ClusterUpdate"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClusterObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    clusters_make: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                cluster: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegistryPassword"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sessions_login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_create: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AppWrite"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AppWrite"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    builds_list: {
        parameters: {
            query?: {
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_BuildObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    builds_start: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BuildRequest"];
            };
        };
        responses: {
            /** @description The build of the same inputs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BuildObject"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BuildObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    builds_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                build: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BuildObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    builds_follow: {
        parameters: {
            query?: never;
            header?: {
                "last-event-id"?: string | null;
            };
            path: {
                team: string;
                app: string;
                build: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events `line` with a line of the log as data */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    claims_claim: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Claim"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClaimObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_instances: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Instances"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_try_placement: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlaceRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Placed"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_list: {
        parameters: {
            query?: {
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_start: {
        parameters: {
            query?: never;
            header?: {
                "idempotency-key"?: string | null;
            };
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReleaseRequest"];
            };
        };
        responses: {
            /** @description The release that the same request made */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_abort: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_follow: {
        parameters: {
            query?: never;
            header?: {
                "last-event-id"?: string | null;
            };
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events `release` with a ReleaseObject as data */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_pause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_promote: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PromoteRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_resume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
                release: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    releases_rollback: {
        parameters: {
            query?: never;
            header?: {
                "idempotency-key"?: string | null;
            };
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RollbackRequest"];
            };
        };
        responses: {
            /** @description The release that the same request made */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleaseObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    apps_scale: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ScaleRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Scaled"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    claims_answer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                team: string;
                claim: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ClaimAnswer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClaimObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    templates_list: {
        parameters: {
            query?: {
                /** @description The most objects of the page: 1 to 500, 100 where it is absent. */
                limit?: number;
                /** @description What `next` of the page before says. */
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_TemplateObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    templates_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TemplateWrite"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplateObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    templates_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                template: string;
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplateObject"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sessions_who_am_i: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WhoAmI"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
