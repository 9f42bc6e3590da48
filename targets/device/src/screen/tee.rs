//! Two screens at once, or two sets of buttons.

use crate::pointing::pointers::Pointers;
use crate::ports::{Action, Backlog, Buttons, Change, Key, Refused, Screen, ScreenError};
use crate::session::details::Details;

/// Two ports in place of one: both screens are drawn, both sets of buttons are polled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tee<A, B>(pub A, pub B);

impl<A: Screen, B: Screen> Screen for Tee<A, B> {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.0.show(moment)?;
        self.1.show(moment)
    }

    fn explain(&mut self, moment: &offshoot_view::Screen<'_>, inside: &mut Details<'_>) {
        self.0.explain(moment, inside);
        self.1.explain(moment, inside);
    }

    fn point(&mut self, moment: &offshoot_view::Screen<'_>, inside: &Pointers<'_>) {
        self.0.point(moment, inside);
        self.1.point(moment, inside);
    }

    fn stays(&self) -> bool {
        self.0.stays() || self.1.stays()
    }

    fn keep(&mut self, name: &str) -> Result<(), ScreenError> {
        self.0.keep(name)?;
        self.1.keep(name)
    }
}

impl<A: Buttons, B: Buttons> Buttons for Tee<A, B> {
    /// Polls both, the first one's presses first.
    fn poll(&mut self) -> Option<Action<'_>> {
        self.0.poll().or_else(|| self.1.poll())
    }

    fn is_held(&mut self) -> bool {
        let first = self.0.is_held();
        self.1.is_held() || first
    }

    fn backlog(&self) -> Backlog {
        let first = self.0.backlog();
        let second = self.1.backlog();
        Backlog {
            lessons: first.lessons + second.lessons,
            left_out: first.left_out + second.left_out,
        }
    }

    fn done(&mut self, outcome: Result<Change<'_>, &Refused>) {
        self.0.done(outcome);
        self.1.done(outcome);
    }

    fn keys(&self) -> Vec<Key> {
        self.0.keys().into_iter().chain(self.1.keys()).collect()
    }

    fn hint(&self) -> String {
        let first = self.0.hint();
        if first.is_empty() { self.1.hint() } else { first }
    }
}

impl<S: Screen + ?Sized> Screen for Box<S> {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        (**self).show(moment)
    }

    fn explain(&mut self, moment: &offshoot_view::Screen<'_>, inside: &mut Details<'_>) {
        (**self).explain(moment, inside);
    }

    fn point(&mut self, moment: &offshoot_view::Screen<'_>, inside: &Pointers<'_>) {
        (**self).point(moment, inside);
    }

    fn stays(&self) -> bool {
        (**self).stays()
    }

    fn keep(&mut self, name: &str) -> Result<(), ScreenError> {
        (**self).keep(name)
    }
}

impl<B: Buttons + ?Sized> Buttons for Box<B> {
    fn poll(&mut self) -> Option<Action<'_>> {
        (**self).poll()
    }

    fn backlog(&self) -> Backlog {
        (**self).backlog()
    }

    fn done(&mut self, outcome: Result<Change<'_>, &Refused>) {
        (**self).done(outcome);
    }

    fn is_held(&mut self) -> bool {
        (**self).is_held()
    }

    fn keys(&self) -> Vec<Key> {
        (**self).keys()
    }

    fn hint(&self) -> String {
        (**self).hint()
    }
}
