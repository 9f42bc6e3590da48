//! Handles: numbers that stand for what is open, so that no number from C can be followed into
//! memory.
//!
//! A handle is a tag of the type, a place in a table, and the generation of that place. Closing
//! bumps the generation, and a place whose generations are used up is retired: no handle is ever
//! given out twice, so that a closed one is recognized for good.

use std::sync::{Arc, PoisonError, RwLock};

use crate::fault::Fault;

/// Max number of open objects of a type.
pub(crate) const MOST_OPEN: usize = 1 << 16;

/// What is open of one type.
pub(crate) struct Table<T> {
    tag: u8,
    noun: &'static str,
    slots: RwLock<Vec<Slot<T>>>,
}

struct Slot<T> {
    /// Generation of the open object, or of the next one.
    generation: u32,
    object: Option<Arc<RwLock<T>>>,
}

/// Parts of a handle's number: 8 bits of tag, 24 of place, 32 of generation, which begins with 1.
struct Parts {
    tag: u8,
    place: usize,
    generation: u32,
}

impl Parts {
    fn of(id: u64) -> Self {
        let place = (id >> 32) as usize & 0xff_ffff;
        Self { tag: (id >> 56) as u8, place, generation: id as u32 }
    }

    fn id(&self) -> u64 {
        u64::from(self.tag) << 56 | (self.place as u64) << 32 | u64::from(self.generation)
    }
}

impl<T> Table<T> {
    /// Makes an empty table of handles with that tag.
    pub(crate) const fn new(tag: u8, noun: &'static str) -> Self {
        Self { tag, noun, slots: RwLock::new(Vec::new()) }
    }

    /// Keeps an object; returns its handle.
    pub(crate) fn add(&self, object: T) -> Result<u64, Fault> {
        let object = Some(Arc::new(RwLock::new(object)));
        // Nothing panics while the table is locked.
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let free = slots.iter().position(|slot| slot.object.is_none() && slot.generation != 0);
        let place = free.unwrap_or(slots.len());
        if place >= MOST_OPEN {
            return Err(Fault::Handles { limit: MOST_OPEN });
        }
        match slots.get_mut(place) {
            Some(slot) => slot.object = object,
            None => slots.push(Slot { generation: 1, object }),
        }
        Ok(Parts { tag: self.tag, place, generation: slots[place].generation }.id())
    }

    /// Closes a handle. What it stood for goes when calls that other threads are in have returned.
    pub(crate) fn remove(&self, id: u64) -> Result<(), Fault> {
        let parts = Parts::of(id);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get_mut(parts.place).filter(|slot| self.is_open(&parts, slot));
        let Some(slot) = slot else { return Err(Fault::Handle { noun: self.noun }) };
        // After the last generation 0, which retires the place.
        slot.generation = slot.generation.wrapping_add(1);
        let object = slot.object.take();
        drop(slots);
        drop(object);
        Ok(())
    }

    /// Returns the object of a handle.
    pub(crate) fn find(&self, id: u64) -> Result<Arc<RwLock<T>>, Fault> {
        let parts = Parts::of(id);
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(parts.place).filter(|slot| self.is_open(&parts, slot));
        slot.and_then(|slot| slot.object.clone()).ok_or(Fault::Handle { noun: self.noun })
    }

    /// Calls `work` with the object of a handle; several threads may do so at the same time.
    pub(crate) fn read<R>(
        &self,
        id: u64,
        work: impl FnOnce(&T) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let object = self.find(id)?;
        let object = object.read().map_err(|_| Fault::Poisoned)?;
        work(&object)
    }

    /// Calls `work` with the object of a handle, which no other thread uses then.
    pub(crate) fn write<R>(
        &self,
        id: u64,
        work: impl FnOnce(&mut T) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let object = self.find(id)?;
        let mut object = object.write().map_err(|_| Fault::Poisoned)?;
        work(&mut object)
    }

    /// Calls `work` with an object to change and another one to read.
    pub(crate) fn pair<R>(
        &self,
        id: u64,
        other: u64,
        work: impl FnOnce(&mut T, &T) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let into = self.find(id)?;
        let from = self.find(other)?;
        if Arc::ptr_eq(&into, &from) {
            return Err(Fault::Itself);
        }
        // In the order of handles, so that two calls never wait for each other.
        if id < other {
            let mut into = into.write().map_err(|_| Fault::Poisoned)?;
            let from = from.read().map_err(|_| Fault::Poisoned)?;
            work(&mut into, &from)
        } else {
            let from = from.read().map_err(|_| Fault::Poisoned)?;
            let mut into = into.write().map_err(|_| Fault::Poisoned)?;
            work(&mut into, &from)
        }
    }

    fn is_open(&self, parts: &Parts, slot: &Slot<T>) -> bool {
        parts.tag == self.tag && parts.generation == slot.generation && slot.object.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Multiplier and increment of Knuth's MMIX generator.
    fn next(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) as usize
    }

    #[test]
    fn random_sequences_agree_with_a_map() {
        let table = Table::new(7, "thing");
        let other = Table::new(8, "other thing");
        let mut model = BTreeMap::new();
        let mut seen = vec![0, u64::MAX, 1, 7 << 56];
        let mut state = 5;
        for step in 0..20_000u32 {
            let id = seen[next(&mut state) % seen.len()];
            match next(&mut state) % 4 {
                0 if model.len() < 50 => {
                    let id = table.add(step).unwrap();
                    assert!(id != 0 && !seen.contains(&id), "a handle is given out once");
                    seen.push(id);
                    model.insert(id, step);
                }
                1 => assert_eq!(table.remove(id).is_ok(), model.remove(&id).is_some()),
                2 => {
                    let found = table.read(id, |&value| Ok(value)).ok();
                    assert_eq!(found, model.get(&id).copied());
                    assert!(other.find(id).is_err());
                }
                _ => {
                    let changed = table.write(id, |value| {
                        *value += 1;
                        Ok(*value)
                    });
                    let want = model.get_mut(&id).map(|value| {
                        *value += 1;
                        *value
                    });
                    assert_eq!(changed.ok(), want);
                }
            }
        }
        other.add(0).unwrap();
        assert!(seen.iter().all(|&id| other.find(id).is_err()), "tags tell tables apart");
    }

    #[test]
    fn a_used_up_place_is_retired() {
        let table = Table::new(1, "thing");
        let first = table.add(()).unwrap();
        table.slots.write().unwrap()[0].generation = u32::MAX;
        assert!(table.find(first).is_err());
        table.remove(first | u64::from(u32::MAX)).unwrap();
        let next = table.add(()).unwrap();
        assert_eq!((Parts::of(next).place, Parts::of(next).generation), (1, 1));
    }

    #[test]
    fn there_is_an_end_to_handles() {
        let table = Table::new(1, "thing");
        let ids: Vec<u64> = (0..10).map(|_| table.add(()).unwrap()).collect();
        // Filled directly: finding a free place is a walk over those taken.
        let mut slots = table.slots.write().unwrap();
        slots.resize_with(MOST_OPEN, || Slot {
            generation: 1,
            object: Some(Arc::new(RwLock::new(()))),
        });
        drop(slots);
        assert!(matches!(table.add(()), Err(Fault::Handles { .. })));
        table.remove(ids[3]).unwrap();
        let again = table.add(()).unwrap();
        assert!(Parts::of(again).place == 3 && again != ids[3]);
    }

    #[test]
    fn a_panic_closes_the_object_to_later_calls() {
        std::panic::set_hook(Box::new(|_| {}));
        let table = Table::new(1, "thing");
        let id = table.add(0).unwrap();
        let call = || table.write(id, |_| -> Result<(), Fault> { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        let _ = std::panic::take_hook();
        assert!(matches!(table.read(id, |_| Ok(())), Err(Fault::Poisoned)));
        assert!(matches!(table.write(id, |_| Ok(())), Err(Fault::Poisoned)));
        table.remove(id).unwrap();
    }
}
