// Short names for the API's messages. The shapes are generated: docs/api/platform.json is the truth.

import type { components } from './schema';

type Schemas = components['schemas'];

export type App = Schemas['AppObject'];
export type AppSummary = Schemas['AppSummary'];
export type Change = Schemas['Change'];
export type Claim = Schemas['ClaimObject'];
export type Cluster = Schemas['ClusterObject'];
export type Gate = Schemas['Gate'];
export type GateStatus = Schemas['GateStatus'];
export type Instance = Schemas['Instance'];
export type InstanceState = Schemas['InstanceState'];
export type Instances = Schemas['Instances'];
export type Phase = Schemas['Phase'];
export type Placed = Schemas['Placed'];
export type Problem = Schemas['Problem'];
export type Release = Schemas['ReleaseObject'];
export type ReleasePolicy = Schemas['ReleasePolicy'];
export type Step = Schemas['Step'];
export type Template = Schemas['TemplateObject'];
export type Unread = Schemas['Unread'];
export type Verdict = Schemas['Verdict'];
