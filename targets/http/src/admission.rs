//! Admission of connections: accepted visitors keep their places, others make way for later ones.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Limits on the number of connections.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Max number of all connections.
    pub all: usize,
    /// Max number from one address; this machine itself may have all.
    pub per_address: usize,
}

/// Connection of a visitor.
#[derive(Debug)]
struct Visitor {
    number: u64,
    address: IpAddr,
    /// True after a request that the guard accepted.
    is_known: bool,
    /// Handle that ends the connection.
    conversation: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Details {
    /// Connections, the oldest first.
    visitors: Vec<Visitor>,
    /// Number of connections so far.
    count: u64,
}

/// Places of a page.
#[derive(Debug)]
pub struct Door {
    places: Places,
    inside: Mutex<Details>,
    left: Notify,
}

/// Place of a connection; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    number: u64,
}

impl Door {
    pub fn new(places: Places) -> Arc<Self> {
        Arc::new(Self { places, inside: Mutex::default(), left: Notify::new() })
    }

    /// Returns a place for a connection from `address`. If there is none, the oldest connection
    /// that is not accepted makes way, so that idle connections keep no visitor out; `None` if all
    /// are accepted.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut inside = self.inside();
        let from_there =
            inside.visitors.iter().filter(|visitor| visitor.address == address).count();
        let crowded = !address.is_loopback() && from_there >= self.places.per_address;
        if crowded || inside.visitors.len() >= self.places.all {
            let oldest = inside.visitors.iter().position(|visitor| {
                !visitor.is_known && (!crowded || visitor.address == address)
            })?;
            if let Some(conversation) = inside.visitors.remove(oldest).conversation {
                conversation.abort();
            }
        }
        inside.count += 1;
        let number = inside.count;
        inside.visitors.push(Visitor { number, address, is_known: false, conversation: None });
        Some(Place { door: Arc::clone(self), number })
    }

    /// Registers the handle that ends the connection of a place.
    pub fn can_end(&self, number: u64, conversation: AbortHandle) {
        if let Some(visitor) =
            self.inside().visitors.iter_mut().find(|visitor| visitor.number == number)
        {
            visitor.conversation = Some(conversation);
        }
    }

    /// Waits until all connections are closed.
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

    /// Marks the visitor as accepted: the connection keeps its place.
    pub fn keep(&self) {
        let mut inside = self.door.inside();
        if let Some(visitor) =
            inside.visitors.iter_mut().find(|visitor| visitor.number == self.number)
        {
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

/// Returns the address by which visitors are counted: an IPv6 user has a whole network of
/// addresses.
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
        let idle: Vec<Place> =
            (2..6).map(|i| door.enter(address(&format!("10.0.0.{i}"))).unwrap()).collect();
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
            assert!(
                !is_here(&door, &places[0]) && is_here(&door, &places[2]) && is_here(&door, &other)
            );
            places.iter().for_each(Place::keep);
            assert!(door.enter(address(crowd)).is_none(), "two are known");
        }
        // Addresses of one network, and one address written in two ways.
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:2")));
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
        // Programs of this machine may have all.
        let own: Vec<Place> = (0..4).map(|_| door.enter(address("127.0.0.1")).unwrap()).collect();
        assert!(own[1..].iter().all(|place| is_here(&door, place)));
    }
}
