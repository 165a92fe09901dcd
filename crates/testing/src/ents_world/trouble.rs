//! What goes wrong, and how it is put right before the last check.

use seabag_client::host::event::Event as Told;

use super::{Event, Fault, World};

impl World {
    /// Something goes wrong.
    pub(super) fn trouble(&mut self) -> Result<(), String> {
        if !self.chaotic() {
            return Ok(());
        }
        self.plan_in(500, 15_000, Event::Trouble);
        let alive = self.alive();
        let device = *self.chance.pick(&alive);
        let host = self.chance.below(self.hosts.len() as u64) as usize;
        let kind = match self.chance.below(100) {
            0..16 => {
                self.crash_device(device);
                "crash"
            }
            16..26 => self.restart_host(host),
            26..30 => self.wipe_host(host)?,
            30..36 => {
                self.hosts[host].back_up();
                "backup"
            }
            36..42 => self.restore_host(host)?,
            42..52 => self.cut_notices(device),
            52..62 => self.cut_network(device),
            62..72 => {
                let jump = self.wrong_clock();
                self.devices[device].skew_ms = if self.chance.happens(400) { 0 } else { jump };
                "clock"
            }
            72..80 => self.change_links(device, host)?,
            80..86 => {
                self.hosts[host].blind.settings.bytes_max = 500 + self.chance.below(3_000);
                self.plan_in(1_000, 60_000, Event::Room(host));
                "quota"
            }
            86..90 => {
                self.tell_all(device, Told::Online)?;
                "online"
            }
            90..94 => {
                self.tell_all(device, Told::Audit)?;
                "audit"
            }
            94..97 => self.lose_device(device, &alive),
            _ => self.upgrade_host(host),
        };
        if !kind.is_empty() {
            *self.report.troubles.entry(kind).or_default() += 1;
            self.trace(format_args!("trouble: {kind} (device {device}, host {host})"));
        }
        self.after_host(host)
    }

    fn tell_all(&mut self, device: usize, event: Told) -> Result<(), String> {
        let lines: Vec<_> = self.devices[device].lines.iter().map(|it| it.number).collect();
        lines.into_iter().try_for_each(|line| self.tell(device, line, event.clone()))
    }

    /// Everybody who listened learns that it is over, sooner or later.
    fn end_sockets(&mut self, host: usize, sockets: u64) {
        for device in 0..self.devices.len() {
            for at in 0..self.devices[device].lines.len() {
                let it = &self.devices[device].lines[at];
                if it.host == host && it.listening == Some(sockets) {
                    let line = it.number;
                    self.plan_in(1, 3_000, Event::Closed(device, line, sockets));
                }
            }
        }
    }

    fn go_down(&mut self, host: usize, sockets: u64) {
        self.end_sockets(host, sockets);
        self.hosts[host].up = false;
        self.plan_in(0, 10_000, Event::HostUp(host));
    }

    fn restart_host(&mut self, host: usize) -> &'static str {
        let sockets = self.hosts[host].sockets;
        self.hosts[host].restart();
        self.go_down(host, sockets);
        "host restart"
    }

    fn wipe_host(&mut self, host: usize) -> Result<&'static str, String> {
        let sockets = self.hosts[host].sockets;
        self.hosts[host].wipe();
        self.truth.host_set_back(host);
        self.go_down(host, sockets);
        self.truth.check_host(host, &self.hosts[host])?;
        Ok("wipe")
    }

    fn restore_host(&mut self, host: usize) -> Result<&'static str, String> {
        let sockets = self.hosts[host].sockets;
        if !self.hosts[host].restore() {
            return Ok("");
        }
        self.truth.host_set_back(host);
        self.go_down(host, sockets);
        self.truth.check_host(host, &self.hosts[host])?;
        Ok("restore")
    }

    /// A host of the old kind becomes one of the new kind.
    fn upgrade_host(&mut self, host: usize) -> &'static str {
        if !self.hosts[host].blind.settings.old_kind {
            return "";
        }
        self.hosts[host].blind.settings.old_kind = false;
        self.restart_host(host);
        "upgrade"
    }

    fn cut_notices(&mut self, device: usize) -> &'static str {
        for at in 0..self.devices[device].lines.len() {
            let it = &self.devices[device].lines[at];
            if let Some(sockets) = it.listening {
                let line = it.number;
                self.plan_in(1, 3_000, Event::Closed(device, line, sockets));
            }
        }
        "cut"
    }

    /// Nothing goes through between a device and one of its hosts for a while.
    fn cut_network(&mut self, device: usize) -> &'static str {
        let Some(last) = self.devices[device].lines.len().checked_sub(1) else { return "" };
        let at = self.chance.between(0, last as u64) as usize;
        let until_ms = self.now_ms + self.chance.between(100, 90_000);
        let it = &mut self.devices[device].lines[at];
        it.cut_until_ms = until_ms;
        let line = it.number;
        if let Some(sockets) = it.listening {
            self.plan_in(1, 3_000, Event::Closed(device, line, sockets));
        }
        "network down"
    }

    /// Links a host late, or unlinks one that may be linked again later.
    fn change_links(&mut self, device: usize, host: usize) -> Result<&'static str, String> {
        let found = self.devices[device].links().into_iter().find(|(_, it)| *it == host);
        let Some((link, _)) = found else {
            self.link(device, host);
            return Ok("late link");
        };
        self.unlink(device, host, link)?;
        Ok("unlink")
    }

    fn unlink(&mut self, device: usize, host: usize, link: seabag_entdb::LinkId) -> Result<(), String> {
        let number = self.devices[device].lines.iter().find(|it| it.host == host).map(|it| it.number);
        if let Some(number) = number {
            self.tell(device, number, Told::Stop)?;
        }
        self.devices[device].lines.retain(|it| it.host != host);
        self.devices[device].database.remove_link(link).unwrap();
        Ok(())
    }

    /// A device ends up in a river. Others must have what it had said at hosts.
    fn lose_device(&mut self, device: usize, alive: &[usize]) -> &'static str {
        if alive.len() < 3 || self.settings.fault == Some(Fault::FirstArrivalWinsTies) {
            return "";
        }
        self.devices[device].alive = false;
        self.devices[device].lines.clear();
        self.truth.device_lost(device);
        "device lost"
    }

    // Peace.

    /// Everything works again, and everybody who is left can reach everybody else, if only through others.
    pub(super) fn make_peace(&mut self) -> Result<(), String> {
        for host in 0..self.hosts.len() {
            self.hosts[host].up = true;
            self.hosts[host].blind.settings.bytes_max = 0;
        }
        let hostile = self.hosts.iter().position(super::host::Host::is_hostile);
        let unlink = hostile.is_some() && self.chance.happens(500);
        if let Some(host) = hostile {
            self.trace(if unlink { "the hostile host is unlinked" } else { "the hostile host is honest" });
            self.hosts[host].hostility = None;
            self.hosts[host].was_hostile = true;
        }
        for device in self.alive() {
            self.devices[device].skew_ms = 0;
            self.devices[device].lines.iter_mut().for_each(|it| it.cut_until_ms = 0);
            if let (Some(host), true) = (hostile, unlink) {
                let links = self.devices[device].links();
                if let Some((link, _)) = links.into_iter().find(|(_, it)| *it == host) {
                    self.unlink(device, host, link)?;
                }
            }
            // A first host in common, and the others as they are.
            if !self.devices[device].links().values().any(|host| *host == 0) {
                self.link(device, 0);
            }
            if hostile.is_some() && !unlink {
                self.tell_all(device, Told::Audit)?;
            }
        }
        Ok(())
    }

    /// A backup brings back what was pruned after it was made, under numbers that most devices have read: one device
    /// that looks at everything finds it. Whether there was a host to look at.
    pub(super) fn audit_restored(&mut self) -> Result<bool, String> {
        let mut some = false;
        for host in 0..self.hosts.len() {
            if !std::mem::take(&mut self.hosts[host].restored) {
                continue;
            }
            let lines =
                self.devices.iter().flat_map(|device| device.lines.iter().map(move |it| (device.number, it)));
            let found =
                lines.filter(|(_, it)| it.host == host).map(|(device, it)| (device, it.number)).next();
            if let Some((device, line)) = found {
                some = true;
                self.tell(device, line, Told::Audit)?;
            }
        }
        Ok(some)
    }
}
