//! A network in two parts: up to the map of its tail, and the tail, perhaps tuned.

use offshoot_core::Package;
use offshoot_core::graph::Graph;
use offshoot_core::tail::{DeltaError, Tail, TuneError};
use offshoot_core::{Embedding, Quant};
use offshoot_engine::{Buffer, Config, Plan, RunError, Step, Team};
use sha2::{Digest, Sha256};

use super::{Backend, Extractor, Verification};
use crate::{Error, ErrorKind, TunedTail};

/// Plans of both parts, and the memory of the second.
#[derive(Debug)]
pub(super) struct Split {
    /// Nodes before the tail; the map is its output.
    pub front: Plan<Vec<Step>>,
    /// The tail as a network of its own, which reads the map.
    pub back: Plan<Vec<Step>>,
    panels: Buffer,
    pub arena: Buffer,
    weights: Vec<u8>,
    /// Index of its first node in the whole network.
    node: usize,
    /// The tail that was set; none if it is the package's own.
    tail: Option<TunedTail>,
    /// Its golden maps with their embeddings. Kept apart, so that programs that verify packages and
    /// never set a tail need not read the file of one.
    goldens: Vec<(Vec<i8>, Vec<i8>)>,
}

impl Split {
    fn new(
        package: &Package<'_>,
        config: Config,
        own: Option<&TunedTail>,
    ) -> Result<Self, ErrorKind> {
        let graph = package.graph();
        let tail = match own {
            Some(own) => own.delta().tail(package)?,
            None => Tail::find(graph).ok_or(TuneError::NoTail)?,
        };
        let before = 0..tail.node();
        let (front, _) = Plan::build(graph, config, before, &[Graph::INPUT], &[tail.map()])?;
        let bad = |_| DeltaError::Malformed { what: "its layer does not fit the package" };
        let writer = tail.network(graph).map_err(bad)?;
        let output = (graph.node_count() - tail.node()) as u16;
        let network = writer.graph(output).map_err(bad)?;
        let all = 0..network.node_count();
        let (back, _) = Plan::build(&network, config, all, &[Graph::INPUT], &[output])?;
        let buffer = |need| Buffer::new(need).map_err(|_| ErrorKind::Memory { need });
        let mut panels = buffer(back.packed_bytes())?;
        back.pack(network.weights(), &mut panels)?;
        let arena = buffer(back.arena_bytes())?;
        let weights = network.weights().to_vec();
        let node = tail.node();
        let golden = |(map, codes): (&[i8], &[i8])| (map.to_vec(), codes.to_vec());
        let goldens = own.iter().flat_map(|own| own.delta().goldens().map(golden)).collect();
        Ok(Self { front, back, panels, arena, weights, node, tail: own.cloned(), goldens })
    }

    /// Runs the tail on a map.
    ///
    /// # Panics
    /// If the map has another length.
    pub fn run(
        &mut self,
        team: &mut Option<Team>,
        map: &[i8],
        observe: impl FnMut(&[Step]),
    ) -> Result<(), RunError> {
        self.arena[self.back.input().range()].copy_from_slice(map);
        let Self { back, panels, arena, weights, .. } = self;
        match team {
            Some(team) => team.run_with_observer(back, weights, panels, arena, observe),
            None => back.run_with_observer(weights, panels, arena, observe),
        }
    }

    /// Index of a step of the tail in the whole network.
    pub fn node(&self) -> usize {
        self.node
    }

    /// Returns the embedding of the last map.
    pub fn result(&self) -> (&[i8], Quant) {
        (&self.arena[self.back.output().range()], self.back.output().quant)
    }

    pub fn packed_bytes(&self) -> usize {
        self.back.packed_bytes()
    }
}

/// Tuned tails and the maps that they are tuned on.
impl Extractor {
    /// Returns the number of int8 values of a map, the input of the tail that can be tuned; [`None`]
    /// for networks without one ([`Tail::find`]) and for float and mixed packages.
    #[must_use]
    pub fn map_len(&self) -> Option<usize> {
        match &self.backend {
            Backend::Engine { .. } => Tail::find(self.package().graph()).map(|tail| tail.map_len()),
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => None,
        }
    }

    /// Runs the network with a tuned tail from now on, or with the package's own again.
    ///
    /// [`Extractor::id`] is then the tail's ([`TunedTail::id`]): heads taught without it are
    /// refused. The embeddings without a tail are the same bits as before.
    ///
    /// # Errors
    /// [`ErrorKind::Tail`] for a tail of another package; the extractor is as it was.
    pub fn set_tail(&mut self, tail: Option<&TunedTail>) -> Result<(), Error> {
        let Some(tail) = tail else {
            self.id = self.package().manifest().id;
            self.split = None;
            return Ok(());
        };
        self.split(Some(tail))?;
        self.id = tail.id();
        Ok(())
    }

    /// Keeps the map of each frame, for [`Extractor::map`], until [`Extractor::set_tail`] with
    /// [`None`]. The embeddings stay the same bits.
    ///
    /// # Errors
    /// [`ErrorKind::Tune`] for a network without a tail.
    pub fn keep_maps(&mut self) -> Result<(), Error> {
        if self.split.is_some() {
            return Ok(());
        }
        self.map_len().ok_or(TuneError::NoTail)?;
        self.split(None)
    }

    /// Returns the tail that was set.
    #[must_use]
    pub fn tail(&self) -> Option<&TunedTail> {
        self.split.as_ref().and_then(|split| split.tail.as_ref())
    }

    fn split(&mut self, tail: Option<&TunedTail>) -> Result<(), Error> {
        let config = match &self.backend {
            Backend::Engine { plan, .. } => plan.config(),
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => return Err(TuneError::NoTail.into()),
        };
        let fresh = Split::new(&self.package(), config, tail)?;
        let need = fresh.front.arena_bytes();
        match &mut self.backend {
            Backend::Engine { arena, .. } if arena.len() < need => {
                *arena = Buffer::new(need).map_err(|_| ErrorKind::Memory { need })?;
            }
            _ => {}
        }
        self.split = Some(Box::new(fresh));
        Ok(())
    }

    /// Returns the map of the last frame, [`Extractor::map_len`] int8 values; [`None`] unless maps
    /// are kept or a tail is set.
    #[must_use]
    pub fn map(&self) -> Option<&[i8]> {
        let range = self.split.as_ref()?.front.output().range();
        match &self.backend {
            // The tail's own arena overwrites the map that it reads.
            Backend::Engine { arena, .. } => Some(&arena[range]),
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => None,
        }
    }

    /// Computes the embedding of a map that was kept: a twentieth of the work for the packages that
    /// come with Offshoot.
    ///
    /// # Errors
    /// [`ErrorKind::Tune`] unless maps are kept or a tail is set, and for a map of another length.
    pub fn embed_map(&mut self, map: &[i8]) -> Result<Embedding<'_>, Error> {
        let needed = self.map_len().ok_or(TuneError::NoTail)?;
        if map.len() != needed {
            return Err(TuneError::Maps { maps: map.len(), samples: 1, needed }.into());
        }
        let split = self.split.as_mut().ok_or(TuneError::NoTail)?;
        match &mut self.backend {
            Backend::Engine { team, .. } => split.run(team, map, |_| {})?,
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => return Err(TuneError::NoTail.into()),
        }
        Ok(self.result())
    }

    /// Runs the golden maps of the tuned tail; [`None`] if there is none.
    pub(super) fn verify_tail(&mut self) -> Result<Option<Verification>, Error> {
        let Some(split) = &mut self.split else { return Ok(None) };
        let goldens = std::mem::take(&mut split.goldens);
        if goldens.is_empty() {
            return Ok(None);
        }
        let mut hash = Sha256::new();
        hash.update(self.id.as_bytes());
        let mut passed = 0;
        for (map, codes) in &goldens {
            let got: Vec<u8> = self.embed_map(map)?.bytes().collect();
            hash.update(&got);
            passed += usize::from(got.iter().map(|&byte| byte as i8).eq(codes.iter().copied()));
        }
        let vectors = goldens.len();
        if let Some(split) = &mut self.split {
            split.goldens = goldens;
        }
        Ok(Some(Verification { vectors, passed, digest: hash.finalize().into() }))
    }
}
