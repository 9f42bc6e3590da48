//! Maps of a head's samples, in memory that is reserved once.

/// Maps of a head's samples in their order; follows each change of the head.
#[derive(Debug, Clone)]
pub(crate) struct KeptMaps {
    /// Room for one map more than the head has samples: that of an evicted sample comes back by
    /// undo.
    codes: Vec<i8>,
    len: usize,
    count: usize,
}

impl KeptMaps {
    /// Reserves room for the maps of `samples` samples, `len` int8 values each.
    pub fn new(len: usize, samples: usize) -> Self {
        Self { codes: vec![0; (samples + 1) * len], len, count: 0 }
    }

    /// Replaces all maps; surplus ones are left out.
    pub fn fill(&mut self, maps: &[i8]) {
        let room = self.codes.len() / self.len - 1;
        self.count = (maps.len() / self.len).min(room);
        let used = self.count * self.len;
        self.codes[..used].copy_from_slice(&maps[..used]);
    }

    /// Returns the maps one after the other.
    pub fn all(&self) -> &[i8] {
        &self.codes[..self.count * self.len]
    }

    /// Returns the map of each sample.
    pub fn iter(&self) -> impl Iterator<Item = &[i8]> {
        self.all().chunks_exact(self.len)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds the map of the newest sample, which pushed out the one of index `evicted`.
    pub fn add(&mut self, map: &[i8], evicted: Option<usize>) {
        let end = (self.count + 1) * self.len;
        self.codes[end - self.len..end].copy_from_slice(map);
        match evicted {
            None => self.count += 1,
            Some(place) => self.codes[place * self.len..end].rotate_left(self.len),
        }
    }

    /// Takes the newest back; the one that it pushed out returns to its place.
    pub fn undo(&mut self, evicted: Option<usize>) {
        let end = (self.count + 1) * self.len;
        match evicted {
            None => self.count = self.count.saturating_sub(1),
            Some(place) => self.codes[place * self.len..end].rotate_right(self.len),
        }
    }

    /// Removes the map of a sample; those behind it move up.
    pub fn remove(&mut self, sample: usize) {
        let end = self.count * self.len;
        self.codes[sample * self.len..end].rotate_left(self.len);
        self.count -= 1;
    }

    /// Removes all maps.
    pub fn clear(&mut self) {
        self.count = 0;
    }
}
