//! Calls that change a head.

use offshoot::{Head, Transform, WhenFull};
use offshoot_c::*;

use crate::common::{self, c, read, text, write};
use crate::{Want, World, known, misused, set, settle, want};

impl World {
    pub fn settings(&mut self) {
        let id = self.head();
        let head = HeadHandle { id };
        let facade = self.heads.get_mut(&id);
        let number = self.random.below(5) as u32;
        let value = self.random.pick(&[0.0, 0.05, 0.3, 10.0, -1.0, f32::NAN]);
        let status = match self.random.below(4) {
            0 => {
                let made = facade.map(|head| want(head.set_inverse_l2(value)));
                let status = offshoot_head_set_inverse_l2(head, value);
                settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)));
                status
            }
            1 => {
                let made = facade.map(|head| want(head.set_false_rejection_rate(value)));
                let status = offshoot_head_set_false_rejection_rate(head, value);
                settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)));
                status
            }
            2 => {
                let status = offshoot_head_set_transform(head, number);
                let transform = Transform::ALL.get(number as usize);
                settle(status, set(transform, facade, |head, &t| head.set_transform(t)));
                status
            }
            _ => {
                let status = offshoot_head_set_when_full(head, number);
                let all = [WhenFull::Refuse, WhenFull::Reservoir, WhenFull::Herding];
                let policy = all.get(number as usize);
                settle(status, set(policy, facade, |head, &p| head.set_when_full(p)));
                status
            }
        };
        self.count(status);
    }

    pub fn class(&mut self) {
        let id = self.head();
        let name = self.name();
        let given = c(&name);
        let mut class = 77;
        let status = offshoot_head_add_class(HeadHandle { id }, text(&given), write(&mut class));
        self.count(status);
        let made = self.heads.get_mut(&id).map(|head| want(head.add_class(&name)));
        match settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            Some(want) => assert_eq!(class as usize, want.index()),
            None => assert_eq!(class, 77),
        }
        let status = offshoot_head_class_named(HeadHandle { id }, text(&given), write(&mut class));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        match settle(
            status,
            head.class_named(&name).map_or(Want::Misuse(Status::NoSuchClass), Want::Is),
        ) {
            Some(want) => assert_eq!(class as usize, want.index()),
            None => assert!(head.class_named(&name).is_none()),
        }
    }

    pub fn rename_and_remove(&mut self) {
        let id = self.head();
        let name = self.name();
        let given = c(&name);
        let class = self.random.below(6);
        let renames = self.random.below(3) > 0;
        let handle = HeadHandle { id };
        let status = match renames {
            true => offshoot_head_rename_class(handle, class as u32, text(&given)),
            false => offshoot_head_remove_class(handle, class as u32),
        };
        self.count(status);
        let Some(head) = self.heads.get_mut(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(class) = head.class_at(class) else {
            return misused(status, Status::NoSuchClass);
        };
        settle(
            status,
            want(if renames { head.rename_class(class, &name) } else { head.remove_class(class) }),
        );
    }

    pub fn forget(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut class = 77;
        let sample = self.random.below(12);
        match self.random.below(5) {
            0 => {
                let status = offshoot_head_forget_left_out(handle);
                self.count(status);
                settle(status, known(self.heads.get_mut(&id).map(Head::forget_left_out)));
            }
            1 | 2 => {
                let status = offshoot_head_undo(handle, write(&mut class));
                self.count(status);
                let made = self.heads.get_mut(&id).map(|head| match head.undo() {
                    Some(class) => Want::Is(class),
                    None => Want::Misuse(Status::NoSuchSample),
                });
                if let Some(want) =
                    settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)))
                {
                    assert_eq!(class as usize, want.index());
                }
            }
            _ => {
                let status = offshoot_head_remove_sample(handle, sample, write(&mut class));
                self.count(status);
                let made = self.heads.get_mut(&id).map(|head| want(head.remove_sample(sample)));
                if let Some(want) =
                    settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)))
                {
                    assert_eq!(class as usize, want.index());
                }
            }
        }
    }

    pub fn merge(&mut self) {
        let id = self.head();
        let other = self.head();
        let status = offshoot_head_merge(HeadHandle { id }, HeadHandle { id: other });
        self.count(status);
        let Some(mut head) = self.heads.remove(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let made = match self.heads.get(&other) {
            Some(other) => want(head.merge(other)),
            None if id == other => Want::Misuse(Status::InvalidValue),
            None => Want::Misuse(Status::InvalidHandle),
        };
        settle(status, made);
        self.heads.insert(id, head);
    }

    pub fn sample(&mut self) {
        let id = self.head();
        let values = self.values(id);
        let class = self.random.below(4);
        let given = common::floats(&values);
        let status = offshoot_head_add_sample(HeadHandle { id }, class as u32, read(&given));
        self.count(status);
        let Some(head) = self.heads.get_mut(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(class) = head.class_at(class) else {
            return misused(status, Status::NoSuchClass);
        };
        settle(status, want(head.add_sample(class, offshoot::Embedding::Float(&values))));
    }
}
