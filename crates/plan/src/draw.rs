//! The topology as a picture (SVG) to pin to the wall.
//!
//! ```text
//!   ┌ IDC ──────────────────────────┐           ┌ VPC ─────────────────┐
//!   │ ┌[core1]┐ ┄┄┄┄┄┄┄┄┄┄┄┄┄ [edge]┿━━ line ━━━┿[VBR]┐ [route table]  │
//!   │ └[core2]┤                     │           │     │                │
//!   │ ┌───────┴──┬───────────┐      │           │     ├──────┬───────┐ │
//!   │ │ ┌[tor1] ┌┤ ┌[tor3]  ┌┤      │           │     │  [vSwitch]   │ │
//!   │ └─┤[tor2] └┴─┤[tor4]  └┴ …    │           │     │   hosts      … │
//!   │     hosts       hosts         │           └─────┴────────────────┘
//!   │ VLANs, subnets, gateways      │
//!   └───────────────────────────────┘            networks, pools, signs
//! ```
//!
//! First the plan becomes a model, `picture`: boxes, lines and texts in pixels. `fabric`
//! gives lines tracks of their own, `content` breaks texts by the widths of `metrics` and
//! makes boxes as large as what is in them. Then `svg` writes the model down.
//!
//! Each switch is a box with the number of hosts that are plugged into it; switches that are
//! peers share a frame. Hosts that are alike in cabling, bond, ranges and VLANs are one card,
//! in the frame of each of their switches, so that 400 hosts are a page.
//!
//! Guarantees: a pure function of the plan; well-formed XML whatever names the plan has; every
//! name whole; no box but for what the plan names; every gateway of a subnet.

mod content;
mod fabric;
mod hosts;
mod idc;
mod legend;
mod lines;
mod metrics;
mod palette;
mod picture;
mod runs;
mod svg;
mod table;
mod vpc;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use flatnet_types::VlanId;

use crate::capacity::{Capacity, SwitchCapacity, TableCapacity, VlanCapacity, capacity};
use crate::model::{Host, HostVlans, LeasedLine, Network, NetworkPlan, Site, SiteType};
use crate::routes::TableKind;
use crate::slices::with_slices;

use content::Content;
use lines::{Ends, LineRoom};
use palette::Palette;
use picture::{Area, DARK, Font, GREY, Look, Picture, PlanBox, Subject, TEXT};

/// The space around everything, in pixels, and between panels that stand below each other.
const MARGIN: i32 = 40;
const BELOW: i32 = 30;
/// The space inside a panel.
const PAD: i32 = 20;
/// The most that a head makes a panel or the page wider.
const HEAD_WIDTH: i32 = 700;
/// More VLANs than these are written as runs of IDs.
const SWATCHES: usize = 16;

/// What every part of the picture needs.
struct Scene<'p> {
    /// The plan, with the slices that ipamd is to cut as ranges.
    plan: &'p NetworkPlan,
    machines: Vec<Machine<'p>>,
    networks: BTreeMap<&'p str, &'p Network>,
    palette: Palette,
    /// None where the plan contradicts itself: the picture is drawn without what is counted.
    capacity: Option<Capacity>,
    lines: LineRoom,
}

/// A host.
struct Machine<'p> {
    host: &'p Host,
    /// The VLAN of its own addresses.
    host_vlan: Option<VlanId>,
    /// How many of its ranges the plan itself has.
    own: usize,
    /// The switches of its site that it is plugged into, by index, in order, each once.
    switches: Vec<usize>,
}

/// An end of a leased line.
#[derive(Debug, Clone, Copy)]
enum LineEnd {
    Idc,
    Vpc,
}

/// A site's part of the picture, with the ends of its leased lines.
struct Panel {
    picture: Picture,
    ends: Ends,
}

/// Draws a plan whose groups are written out.
pub fn draw(plan: &NetworkPlan) -> String {
    let title = metrics::shown(&format!("Plan {}", plan.metadata.name));
    svg::document(&picture(plan), &title)
}

/// What stands where.
fn picture(plan: &NetworkPlan) -> Picture {
    let whole = with_slices(plan);
    let scene = Scene::of(plan, &whole);
    let of_type = |t| plan.spec.sites.iter().filter(move |s| s.site_type == t);
    let idcs = |width| -> Vec<Panel> {
        of_type(SiteType::Idc)
            .map(|s| idc::panel(&scene, s, width))
            .collect()
    };
    let widest = |panels: &[Panel]| panels.iter().map(|p| p.picture.width).max().unwrap_or(0);
    // All are as wide as the widest, so that the leased lines begin below each other.
    let left_width = widest(&idcs(0));
    let left = idcs(left_width);
    let right: Vec<Panel> = of_type(SiteType::Vpc)
        .map(|s| vpc::panel(&scene, s))
        .collect();
    let between = match (left.is_empty(), right.is_empty()) {
        (false, false) => scene.lines.between(plan.spec.links.len()),
        _ => 0,
    };
    let from = MARGIN + left_width;
    let width = (left_width + between + widest(&right))
        .max(legend::width(&scene))
        .max(HEAD_WIDTH);

    let mut out = Picture::default();
    let head = page_head(plan);
    let room = Area {
        x: MARGIN,
        y: MARGIN,
        width,
        height: head.height(width),
    };
    head.put(&mut out, room);
    let top = room.bottom() + PAD;
    let (left_bottom, left_ends) = place(&mut out, left, (MARGIN, top));
    let (right_bottom, right_ends) = place(&mut out, right, (from + between, top));
    lines::draw(&mut out, &scene, from, &left_ends, &right_ends);
    let top = left_bottom.max(right_bottom);
    let bottom = legend::draw(&mut out, &scene, (MARGIN, top), width);
    out.width = width + 2 * MARGIN;
    out.height = bottom + MARGIN;
    out
}

/// Puts panels below each other; gives the bottom of the last, and all ends of lines.
fn place(out: &mut Picture, panels: Vec<Panel>, (x, top): (i32, i32)) -> (i32, Ends) {
    let (mut y, mut ends) = (top, Ends::new());
    for panel in panels {
        let moved = panel.ends.into_iter();
        ends.extend(moved.map(|(line, (dx, dy))| (line, (x + dx, y + dy))));
        let height = panel.picture.height;
        out.take(panel.picture, (x, y));
        y += height + BELOW;
    }
    (y, ends)
}

fn page_head(plan: &NetworkPlan) -> Content {
    let spec = &plan.spec;
    let ranges: usize = spec.hosts.iter().map(|h| h.ranges.len()).sum();
    let counts = [
        counted(spec.sites.len(), "site"),
        counted(spec.networks.len(), "network"),
        counted(spec.hosts.len(), "host"),
        counted(ranges, "host range"),
        counted(spec.links.len(), "leased line"),
    ];
    Content::default()
        .text(Font::new(28, DARK).bold(), &plan.metadata.name)
        .text(Font::new(14, GREY), counts.join(" · "))
}

/// A panel's name, and what it is.
fn head(name: &str, about: &[&str]) -> Content {
    Content::default()
        .text(Font::new(20, DARK).bold(), name)
        .text(Font::new(13, GREY), about.join(" · "))
}

/// The ground of a panel, below all that is on it.
fn ground(out: &mut Picture, subject: Subject, look: Look) {
    let area = Area {
        x: 0,
        y: 0,
        width: out.width,
        height: out.height,
    };
    out.boxes.insert(
        0,
        PlanBox {
            subject,
            look,
            area,
        },
    );
}

/// `1 host`, `2 hosts`.
fn counted(count: impl Display, what: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// How full a route table is, where it is known.
fn fullness(content: Content, table: Option<&TableCapacity>, what: &str) -> Content {
    let Some(table) = table else { return content };
    let used = u64::try_from(table.used).unwrap_or(u64::MAX);
    let text = format!("{} of {} {what}", table.used, table.quota);
    let percent = percent(used, table.quota.into());
    content.text(Font::new(11, TEXT), text).bar(percent)
}

/// The switches of each site, by name, with their indices.
type Switches<'p> = BTreeMap<&'p str, BTreeMap<&'p str, usize>>;

fn switches(plan: &NetworkPlan) -> Switches<'_> {
    let sites = plan.spec.sites.iter();
    sites
        .map(|site| {
            let switches = site.switches.iter().enumerate();
            let by_name = switches.map(|(i, s)| (s.name.as_str(), i));
            (site.name.as_str(), by_name.collect())
        })
        .collect()
}

fn plugged(switches: &Switches<'_>, host: &Host) -> Vec<usize> {
    let Some(here) = switches.get(host.site.as_str()) else {
        return Vec::new();
    };
    let cables = host.uplink.cables();
    let into = cables.iter().filter_map(|c| here.get(c.switch.as_deref()?));
    let into: BTreeSet<usize> = into.copied().collect();
    into.into_iter().collect()
}

/// `used` of `limit` in percent, rounded down but never down to 0.
fn percent(used: u64, limit: u64) -> u64 {
    let exact = used.saturating_mul(100) / limit.max(1);
    exact.max(u64::from(used > 0))
}

impl<'p> Scene<'p> {
    fn of(plan: &NetworkPlan, whole: &'p NetworkPlan) -> Self {
        let hosts = whole.spec.hosts.iter().zip(&plan.spec.hosts);
        let networks = whole.spec.networks.iter();
        let switches = switches(whole);
        let sites = whole.spec.sites.iter();
        let host_vlans: BTreeMap<&str, HostVlans<'_>> =
            sites.map(|s| (s.name.as_str(), HostVlans::of(s))).collect();
        let vlan_of = |host: &Host| {
            let vlans = host_vlans.get(host.site.as_str());
            vlans.and_then(|v| v.of_host(host)).map(|v| v.id)
        };
        let mut scene = Self {
            plan: whole,
            machines: hosts
                .map(|(host, written)| Machine {
                    host,
                    host_vlan: vlan_of(host),
                    own: written.ranges.len(),
                    switches: plugged(&switches, host),
                })
                .collect(),
            networks: networks.map(|n| (n.name.as_str(), n)).collect(),
            palette: Palette::of(plan),
            capacity: capacity(plan).ok(),
            lines: LineRoom::default(),
        };
        scene.lines = LineRoom::of(&scene);
        scene
    }

    fn machines_of(&self, site: &str) -> impl Iterator<Item = &Machine<'p>> {
        self.machines.iter().filter(move |m| m.host.site == site)
    }

    /// The leased lines with an end at a site, by their indices: those to the first site of the
    /// plan first, as the sites stand below each other.
    fn lines_of(&self, end: LineEnd, site: &str) -> Vec<usize> {
        let links = &self.plan.spec.links;
        let ends = |line: &'p LeasedLine| match end {
            LineEnd::Idc => (line.idc.as_str(), line.vpc.as_str()),
            LineEnd::Vpc => (line.vpc.as_str(), line.idc.as_str()),
        };
        let place = |name: &str| self.plan.spec.sites.iter().position(|s| s.name == name);
        let mut here: Vec<usize> = (0..links.len())
            .filter(|i| ends(&links[*i]).0 == site)
            .collect();
        here.sort_by_key(|i| (place(ends(&links[*i]).1), *i));
        here
    }

    /// How full a route table is; of a kind that a site has one of, whatever its name.
    fn table(&self, kind: TableKind, site: &str, name: Option<&str>) -> Option<&TableCapacity> {
        let mut tables = self.capacity.iter().flat_map(|c| &c.tables);
        tables.find(|t| t.kind == kind && t.site == site && name.is_none_or(|n| t.name == n))
    }

    fn switch(&self, site: &str, name: &str) -> Option<&SwitchCapacity> {
        let mut switches = self.capacity.iter().flat_map(|c| &c.switches);
        switches.find(|s| s.site == site && s.name == name)
    }

    fn vlan(&self, site: &str, id: VlanId) -> Option<&VlanCapacity> {
        let mut vlans = self.capacity.iter().flat_map(|c| &c.vlans);
        vlans.find(|v| v.site == site && v.id == id)
    }

    /// VLANs as swatches with their IDs; many of them as runs of IDs.
    fn vlans(
        &self,
        content: Content,
        site: &Site,
        ids: impl IntoIterator<Item = VlanId>,
    ) -> Content {
        let ids: Vec<VlanId> = ids.into_iter().collect();
        if ids.len() > SWATCHES {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let text = format!("VLANs {}", runs::runs(&ids));
            return content.text(Font::new(11, TEXT), text);
        }
        let swatch = |id: &VlanId| (self.palette.colour(&site.name, *id), id.to_string());
        content.vlans(ids.iter().map(swatch).collect())
    }
}

#[cfg(test)]
mod tests;
