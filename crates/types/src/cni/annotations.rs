//! What a pod's annotations ask of its network, as the runtime hands them over.
//!
//! ```text
//!   pod ─▶ admission ─▶ API server ─▶ kubelet ─▶ containerd ── runtimeConfig ─▶ ADD
//!          stamps `flatnet.io/admitted`                         [PodAnnotations]
//! ```
//!
//! The runtime hands them over where the configuration has the capability
//! `io.kubernetes.cri.pod-annotations` (containerd, `docs/cri/config.md`; CRI-O has it too), so
//! an ADD needs no API server. They are used only where the configuration says
//! `"podAnnotations": "admitted"`: whoever may create a pod writes its annotations, so what they may
//! ask for is decided when the pod is admitted (`deploy/kubernetes/admission.yaml`), and a pod that
//! admission did not see gets no address, rather than one of the default network.

use super::InputError;
use super::args::{AskedIp, asked_ip};
use super::json::Node;
use super::value::{ValueError, shorten};
use crate::{MacAddr, NetworkName, VlanId};

/// The key of `runtimeConfig`, and the capability's name.
const KEY: &str = "io.kubernetes.cri.pod-annotations";
/// Written by admission: the pod's annotations are what its namespace allows.
const ADMITTED: &str = "flatnet.io/admitted";
/// The only value of [`ADMITTED`]: the version of what the other annotations mean.
const VERSION: &str = "v1";
const NETWORK: &str = "flatnet.io/network";
const IPS: &str = "flatnet.io/ips";
const MAC: &str = "flatnet.io/mac";
const TRUNK: &str = "flatnet.io/trunk";

/// What an admitted pod asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PodAnnotations {
    /// `flatnet.io/network`: the plan's network.
    pub(super) network: Option<NetworkName>,
    /// `flatnet.io/ips`: addresses, separated by commas.
    pub(super) ips: Vec<AskedIp>,
    /// `flatnet.io/mac`.
    pub(super) mac: Option<MacAddr>,
    /// `flatnet.io/trunk`: VLANs that the pod may send tagged, as `10,20-29`; ascending, none twice.
    pub(super) trunk: Vec<VlanId>,
}

impl PodAnnotations {
    /// Reads them. `mode`: the configuration's `podAnnotations`; `runtime`: its `runtimeConfig`.
    ///
    /// # Errors
    /// CNI code 11 where the runtime handed over no annotations, or those of a pod that was not
    /// admitted; 7 for a wrong value; 2 for another mode.
    pub(super) fn read(mode: &Node<'_>, runtime: Option<&Node<'_>>) -> Result<Self, InputError> {
        if mode.string()? != "admitted" {
            return Err(mode.unsupported("the only value is \"admitted\""));
        }
        let all = runtime.map(|r| r.get(KEY)).transpose()?.flatten();
        let all = all.ok_or(InputError::NoAnnotations)?;
        match all.named(ADMITTED, ADMITTED)? {
            Some(stamp) if stamp.string()? == VERSION => {}
            Some(stamp) => {
                return Err(InputError::AdmittedByAnother {
                    version: shorten(stamp.string()?),
                });
            }
            None => return Err(InputError::NotAdmitted),
        }
        let annotation = |name: &str| {
            let found = all.named(name, &format!("annotation {name}"))?;
            Ok::<_, InputError>(match found {
                Some(node) if node.string()?.trim().is_empty() => None,
                found => found,
            })
        };
        Ok(Self {
            network: annotation(NETWORK)?.map(|n| n.parse()).transpose()?,
            ips: annotation(IPS)?
                .map(|n| ips(&n))
                .transpose()?
                .unwrap_or_default(),
            mac: annotation(MAC)?.map(|n| mac(&n)).transpose()?,
            trunk: annotation(TRUNK)?
                .map(|n| trunk(&n))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn items<'a>(node: &Node<'a>) -> Result<impl Iterator<Item = &'a str>, InputError> {
    let items = node.string()?.split(',').map(str::trim);
    Ok(items.filter(|item| !item.is_empty()))
}

fn ips(node: &Node<'_>) -> Result<Vec<AskedIp>, InputError> {
    let place = format!("annotation {IPS}");
    items(node)?
        .map(|item| asked_ip(item, &place).map_err(|e| node.invalid(e)))
        .collect()
}

fn mac(node: &Node<'_>) -> Result<MacAddr, InputError> {
    let mac = node.parse::<MacAddr>()?;
    mac.unicast().map_err(|e| node.invalid(e))
}

fn trunk(node: &Node<'_>) -> Result<Vec<VlanId>, InputError> {
    let mut wanted = std::collections::BTreeSet::new();
    for item in items(node)? {
        let wrong = || {
            node.invalid(ValueError::NotAVlanList {
                value: shorten(item),
            })
        };
        let id = |text: &str| {
            text.trim()
                .parse::<u32>()
                .ok()
                .and_then(|n| VlanId::new(n).ok())
        };
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (id(first).ok_or_else(wrong)?, id(last).ok_or_else(wrong)?);
        if first > last {
            return Err(wrong());
        }
        let range = u32::from(first.get())..=u32::from(last.get());
        wanted.extend(range.filter_map(|n| VlanId::new(n).ok()));
    }
    Ok(wanted.into_iter().collect())
}
