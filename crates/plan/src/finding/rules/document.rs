//! The document itself: its YAML, its names, its allowances (FN00).

use super::Rule;
use crate::finding::Severity;

rules! {
    DOCUMENT;
    SYNTAX "FN0001" Error "the text is not one YAML document"
        why "A plan that cannot be read by every process in the same way is not read by any."
        help "Correct the YAML at this place; an editor with the plan's JSON Schema shows such \
            faults while one types."
        example "spec:\n\
            \x20 mtu: [1500     # the bracket is never closed";
    SHAPE "FN0002" Error "a field is unknown, missing or of another type"
        why "What does not fit is not guessed at: every process reads the whole plan alike, or none of it."
        help "Compare with the reference in docs/plan.md; an editor with the plan's JSON Schema \
            completes names and checks values."
        example "spec:\n\
            \x20 mut: 1500      # mtu";
    HEADER "FN0003" Error "the document's version or kind is not read here"
        why "A document of another version may mean something else by the same words."
        help "Write `apiVersion: flatnet.io/v1alpha1` and `kind: NetworkPlan`."
        example "apiVersion: flatnet.io/v2\n\
            kind: NetworkPlan";
    DUPLICATE_KEY "FN0004" Error "a key stands twice in one mapping"
        why "One of the two would be lost, and nobody can tell which was meant."
        help "Take one of them out."
        example "spec:\n\
            \x20 mtu: 1500\n\
            \x20 mtu: 9000";
    DUPLICATE_NAME "FN0005" Error "a name is given twice"
        why "Names are how nodes, daemons and people refer to a thing: two things of one name \
            are mixed up."
        help "Rename one of them."
        example "hosts:\n\
            \x20 - name: idc1\n\
            \x20 - name: idc1     # the same name";
    DANGLING "FN0006" Error "a reference leads nowhere"
        why "What refers to nothing is derived from nothing: the node would come up without it."
        help "Correct the name, or declare what it refers to."
        example "switches: [{name: tor1}]\n\
            …\n\
            uplink: {interface: eth0, switch: tor9}   # there is no tor9";
    GROUP "FN0007" Error "a host group cannot be written out"
        why "A group stands for hosts; if one of them cannot be made, it would be missing from \
            every node's view."
        help "Correct the field; `{n}`, `{rack}` and `{unit}` are the numbers a pattern may \
            hold."
        example "hostName: idc-{number}   # {n}";
    HOST_BITS "FN0008" Error "a prefix has host bits set"
        why "A prefix whose address does not begin it is mistyped: either the address or the \
            length is wrong."
        help "Write the prefix's first address, or correct its length."
        example "prefix: 10.100.33.0/20   # 10.100.32.0/20";
    BAD_NAME "FN0009" Error "a name is empty, or has spaces at an end"
        why "It is written into route entries, messages and metrics: nobody finds it there, or \
            two names look alike."
        help "Give it a name."
        example "switches: [{name: \"\"}]";
    ALLOWANCE "FN0010" Error "an invalid allowance"
        why "What is wrong makes the network fail, whoever accepts it; and what nobody gives a reason \
            for, nobody can judge later."
        help "Name the code of a warning, and say why it is accepted."
        example "allow: [{code: FN0101, reason: \"it has always been so\"}]   # an error";
    ALLOWS_NOTHING "FN0011" Warning "an allowance allows nothing"
        why "What it was for was corrected, or is somewhere else than it says; the next warning there \
            would be hidden by it unseen."
        help "Take it out, or correct `at`: `flatctl plan check --format json` has the place of each \
            finding."
        example "allow:   # there is no line9\n\
            \x20 - {code: FN0405, at: links.line9, reason: \"the carrier's\"}";
    RAN_OUT "FN0012" Warning "an allowance has run out"
        why "It was accepted for a time, and the time is over: what it allowed is told again."
        help "Correct what it was for and take it out, or judge it anew and write another day."
        example "allow:\n\
            \x20 - {code: FN0405, reason: \"raised in May\", until: 2026-05-31}";
    DUPLICATE_ID "FN0013" Error "an ID is given twice"
        why "An external ID identifies one object: entries and frames for one of the two \
            go to the other."
        help "Look both up again, and correct one of them."
        example "links:\n\
            \x20 - {name: line1, vbr: {id: vbr-1}}\n\
            \x20 - {name: line2, vbr: {id: vbr-1}}";
    CASE "FN0014" Warning "two names differ by case only"
        why "DNS, Kubernetes and people take them for one."
        help "Rename one of them."
        example "hosts:\n\
            \x20 - name: db1\n\
            \x20 - name: DB1";
    NODE_NAME "FN0015" Warning "a host's name is not a valid Kubernetes node name"
        why "The plan names a Kubernetes cluster (`servicePrefixes`, `apiServer`), and a node's name is one \
            of DNS in small letters: the host joins under another name than the plan's, or not at all."
        help "Name it as the node is called: small letters, digits, `-` and `.`, a letter or digit at both \
            ends of each part."
        example "hosts: [{name: DB_Server-01}]   # db-server-01";
}
