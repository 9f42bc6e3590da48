//! Who may stay: visitors that were let in keep their places, others make way for those who come later.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How many may be here.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// All together.
    pub all: usize,
    /// From one address; this machine itself may have all.
    pub per_address: usize,
}

/// A connection.
#[derive(Debug)]
struct Visitor {
    number: u64,
    address: IpAddr,
    /// Has asked for something that the guard lets pass.
    is_known: bool,
    /// Ends the connection.
    conversation: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Details {
    /// The oldest first.
    visitors: Vec<Visitor>,
    /// How many there have been.
    count: u64,
}

/// The places of a page.
#[derive(Debug)]
pub struct Door {
    places: Places,
    inside: Mutex<Details>,
    left: Notify,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    number: u64,
}

impl Door {
    pub fn new(places: Places) -> Arc<Self> {
        Arc::new(Self { places, inside: Mutex::default(), left: Notify::new() })
    }

    /// A place for a connection from `address`. Where there is none, the oldest connection that nobody knows makes
    /// way, so that those who only hold places keep nobody out; nothing if all are known.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut inside = self.inside();
        let from_there = inside.visitors.iter().filter(|visitor| visitor.address == address).count();
        let crowded = !address.is_loopback() && from_there >= self.places.per_address;
        if crowded || inside.visitors.len() >= self.places.all {
            let may_go = |visitor: &Visitor| !visitor.is_known && (!crowded || visitor.address == address);
            let oldest = inside.visitors.iter().position(may_go)?;
            if let Some(conversation) = inside.visitors.remove(oldest).conversation {
                conversation.abort();
            }
        }
        inside.count += 1;
        let number = inside.count;
        inside.visitors.push(Visitor { number, address, is_known: false, conversation: None });
        Some(Place { door: Arc::clone(self), number })
    }

    /// Says how the connection of a place is ended.
    pub fn can_end(&self, number: u64, conversation: AbortHandle) {
        if let Some(visitor) = self.inside().visitors.iter_mut().find(|visitor| visitor.number == number) {
            visitor.conversation = Some(conversation);
        }
    }

    /// Waits until everybody is gone.
    pub async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.inside().visitors.is_empty() {
                return;
            }
            left.await;
        }
    }

    fn inside(&self) -> MutexGuard<'_, Details> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whoever is here was let in, and stays.
    pub fn keep(&self) {
        let mut inside = self.door.inside();
        if let Some(visitor) = inside.visitors.iter_mut().find(|visitor| visitor.number == self.number) {
            visitor.is_known = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.inside().visitors.retain(|visitor| visitor.number != self.number);
        self.door.left.notify_one();
    }
}

/// The address by which visitors are counted: whoever has one of IPv6 has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places { all: 4, per_address: 2 };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_here(door: &Door, place: &Place) -> bool {
        door.inside().visitors.iter().any(|visitor| visitor.number == place.number)
    }

    #[test]
    fn who_only_holds_places_makes_way() {
        let door = Door::new(PLACES);
        let known = door.enter(address("10.0.0.1")).unwrap();
        known.keep();
        let idle: Vec<Place> = (2..6).map(|i| door.enter(address(&format!("10.0.0.{i}"))).unwrap()).collect();
        let here: Vec<bool> = idle.iter().map(|place| is_here(&door, place)).collect();
        assert_eq!((is_here(&door, &known), here), (true, vec![false, true, true, true]));
        idle[1..].iter().for_each(Place::keep);
        assert!(door.enter(address("10.0.0.9")).is_none(), "all are known");
        drop(known);
        assert!(door.enter(address("10.0.0.9")).is_some());
    }

    #[test]
    fn one_address_takes_its_own_places_alone() {
        let door = Door::new(PLACES);
        let other = door.enter(address("10.0.0.2")).unwrap();
        for crowd in ["10.0.0.1", "2001:db8::1"] {
            let places: Vec<Place> = (0..3).map(|_| door.enter(address(crowd)).unwrap()).collect();
            assert!(!is_here(&door, &places[0]) && is_here(&door, &places[2]) && is_here(&door, &other));
            places.iter().for_each(Place::keep);
            assert!(door.enter(address(crowd)).is_none(), "two are known");
        }
        // The same network, and the same address written otherwise.
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:2")));
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
        // This machine's own programs may have all.
        let own: Vec<Place> = (0..4).map(|_| door.enter(address("127.0.0.1")).unwrap()).collect();
        assert!(own[1..].iter().all(|place| is_here(&door, place)));
    }
}
