//! The schema of `AddressSet`: bounds, who merges which list, and what one object can prove (CEL).

use serde_json::{Value, json};

use crate::addresses::{MOST_ADDRESSES, MOST_SUBSCRIBERS};

const ABOUT: &str = "The addresses of the pods of its namespace that a label selector is now, for applications \
    that let in by address. An address is in it from when the pod's status has it until it is released. \
    Everybody who writes it into a firewall or a list is a subscriber and acknowledges a generation, so that one \
    can wait for it.";
/// The most labels and demands of a selector: the server estimates a rule's cost by it.
const MOST_LABELS: u64 = 64;
/// The most bytes of a label's key: a DNS name, a slash and a name.
const LONGEST_KEY: u64 = 317;

/// The whole schema.
pub(super) fn schema(mut spec: Value, mut status: Value) -> Value {
    let properties = &mut spec["properties"];
    selector(&mut properties["selector"]);
    properties["families"]["maxItems"] = 2.into();
    let subscribers = &mut properties["subscribers"];
    subscribers["maxItems"] = MOST_SUBSCRIBERS.into();
    map(subscribers, "name");

    let properties = &mut status["properties"];
    let addresses = &mut properties["addresses"];
    addresses["maxItems"] = MOST_ADDRESSES.into();
    addresses["items"]["maxLength"] = 45.into();
    // Of a list whose items are merged one by one, each would be in managedFields once more.
    for list in ["addresses", "missing", "subscribers"] {
        properties[list]["x-kubernetes-list-type"] = "atomic".into();
    }
    let acknowledgements = &mut properties["acknowledgements"];
    acknowledgements["maxItems"] = MOST_SUBSCRIBERS.into();
    map(acknowledgements, "subscriber");
    json!({
        "type": "object",
        "description": ABOUT,
        "properties": {"spec": spec, "status": status},
        "required": ["spec"],
    })
}

/// A list whose items have one writer each (server-side apply).
fn map(list: &mut Value, key: &str) {
    list["x-kubernetes-list-type"] = "map".into();
    list["x-kubernetes-list-map-keys"] = json!([key]);
}

fn selector(selector: &mut Value) {
    let properties = &mut selector["properties"];
    let labels = &mut properties["matchLabels"];
    labels["maxProperties"] = MOST_LABELS.into();
    labels["additionalProperties"]["maxLength"] = 63.into();
    let demands = &mut properties["matchExpressions"];
    demands["maxItems"] = MOST_LABELS.into();
    let demand = &mut demands["items"];
    demand["properties"]["key"]["maxLength"] = LONGEST_KEY.into();
    demand["properties"]["values"]["maxItems"] = MOST_LABELS.into();
    demand["properties"]["values"]["items"]["maxLength"] = 63.into();
    demand["x-kubernetes-validations"] = json!([{
        "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
        "message": "In and NotIn have values, Exists and DoesNotExist have none",
    }]);
    selector["x-kubernetes-validations"] = json!([{
        "rule": "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "message": "an empty selector would be every pod of the namespace: name a label that they have",
    }]);
}
