//! One look at the router: which device is WAN for which name, and its addresses.
//! Asks and arranges; decides nothing about what to publish.

use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::wan::{Because, Link, Wan, WanView};
use crate::parse::netifd::{self, Interface};
use crate::world::Sys;

/// Looks at everything the config's names need.
pub fn observe(sys: &mut dyn Sys, config: &Config) -> WanView {
    let links = sys.links();
    let mut netifd = Netifd { answer: None };
    let mut view = WanView::default();
    for name in &config.names {
        for family in &name.families {
            if view.find(name.wan.as_deref(), *family).is_none() {
                let wan = match &links {
                    Ok(links) => look(sys, &mut netifd, links, name.wan.as_deref(), *family),
                    Err(why) => Wan {
                        asked: name.wan.clone(),
                        family: *family,
                        device: Known::unknown(why),
                        addresses: Vec::new(),
                    },
                };
                view.wans.push(wan);
            }
        }
    }
    view
}

fn look(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    asked: Option<&str>,
    family: Family,
) -> Wan {
    let device = match asked {
        Some(asked) => named(sys, netifd, links, asked),
        None => found(sys, netifd, links, family),
    };
    let addresses = match &device {
        Known::Known(Some((device, _))) => links
            .iter()
            .find(|link| link.name == *device && link.up)
            .map(|link| link.addresses.iter().filter(|a| Family::of(a.ip) == family))
            .map(|addresses| addresses.cloned().collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    Wan { asked: asked.map(str::to_string), family, device, addresses }
}

/// The device for `option wan`: a device of that name, else netifd's network of that name.
fn named(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    asked: &str,
) -> Known<Option<(String, Because)>> {
    if links.iter().any(|link| link.name == asked) {
        return Known::Known(Some((asked.to_string(), Because::Config)));
    }
    match netifd.ask(sys) {
        // No netifd here: the device may come later (a PPP link, a VPN).
        None => Known::Known(None),
        Some(Err(why)) => Known::unknown(why),
        Some(Ok(interfaces)) => match interfaces.iter().find(|i| i.name == asked) {
            Some(Interface { up: true, device: Some(device), .. }) => {
                Known::Known(Some((device.clone(), Because::Config)))
            }
            _ => Known::Known(None),
        },
    }
}

/// The device when the owner left it to us: netifd's default route, else the kernel's.
fn found(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    family: Family,
) -> Known<Option<(String, Because)>> {
    if let Some(Ok(interfaces)) = netifd.ask(sys)
        && let Some(Interface { name, device: Some(device), .. }) = netifd::wan(interfaces, family)
    {
        return Known::Known(Some((device.clone(), Because::Netifd(name.clone()))));
    }
    // netifd knows nothing, or no way out: a route set by hand or by a VPN is the kernel's.
    match sys.route_device(family) {
        Err(why) => Known::unknown(why),
        Ok(None) => Known::Known(None),
        Ok(Some(index)) => match links.iter().find(|link| link.index == index) {
            Some(link) if link.loopback => Known::Known(None),
            Some(link) => Known::Known(Some((link.name.clone(), Because::KernelRoute))),
            None => Known::unknown("the default route is by a link that has just changed"),
        },
    }
}

/// netifd's answer, asked for at most once in a look.
struct Netifd {
    answer: Option<Option<Result<Vec<Interface>, String>>>,
}

impl Netifd {
    fn ask(&mut self, sys: &mut dyn Sys) -> Option<Result<&[Interface], &str>> {
        self.answer
            .get_or_insert_with(|| {
                sys.netifd().map(|json| json.and_then(|json| netifd::interfaces(&json)))
            })
            .as_ref()
            .map(|answer| answer.as_deref().map_err(String::as_str))
    }
}

/// The device for an account's `option wan`, for requests that must leave by it. Fails closed.
pub fn account_device(sys: &mut dyn Sys, asked: Option<&str>) -> Result<Option<String>, String> {
    let Some(asked) = asked else { return Ok(None) };
    let links = sys.links()?;
    match named(sys, &mut Netifd { answer: None }, &links, asked) {
        Known::Known(Some((device, _))) => Ok(Some(device)),
        Known::Known(None) => Err(format!("'{asked}' is down or does not exist now")),
        Known::Unknown(why) => Err(why),
    }
}
