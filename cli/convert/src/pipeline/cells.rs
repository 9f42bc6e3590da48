//! Cells: feature maps as the output of a package, instead of an embedding.

use offshoot_core::spatial::{CellMap, CellsLayout, MAX_CELL_VALUES, MAX_MAPS};

use super::{CellsOption, ConvertError};
use crate::import::{Imported, Source};
use crate::ir::cut_points::{Candidate, candidates};
use crate::ir::geometry::{self, Geometry};
use crate::ir::pooling::{CELLS, Pool};
use crate::ir::{LayerId, LayerOp, Model};

/// Strides of the maps that are chosen automatically.
const STRIDES: [usize; 2] = [8, 16];

/// Least number of channels of a map that is chosen automatically.
const LEAST_CHANNELS: usize = 8;

/// Imports a model with its cuts at maps that are found: of each stride the deepest of the narrow
/// ones. Bottlenecks are as good as the wide layers between them at a sixth of the values.
///
/// # Errors
/// The model cannot be imported, or has no map of these strides that is narrow enough.
pub(super) fn found(
    source: &Source,
    size: Option<(u32, u32)>,
    option: CellsOption,
) -> Result<Imported, ConvertError> {
    let whole = source.import(&[], size, Pool::None)?;
    let all = candidates(&whole.model, |layer| source.tensor_of(layer));
    let shape = whole.model.layers[0].shape;
    let input = [shape.h(), shape.w()];
    let maps: Vec<Candidate> =
        STRIDES.iter().filter_map(|&stride| narrow(&all, input, stride)).collect();
    let limits = option.neighbours().into_iter().map(|own| MAX_CELL_VALUES / (1 + own.count()));
    let most = limits.max().unwrap_or(0);
    let fits = |maps: &[Candidate]| maps.iter().map(|map| map.shape.c()).sum::<usize>() <= most;
    // All maps, or the coarse one alone, which sees more of an object.
    let chosen = (0..maps.len()).map(|skipped| &maps[skipped..]).find(|maps| fits(maps));
    let Some(chosen) = chosen else {
        let what = format!(
            "no feature map of stride 8 or 16 with at most {most} channels was found; `offshoot inspect MODEL --layers` \
             lists the tensors for --cut"
        );
        return Err(ConvertError::Cells { path: source.path.clone(), what });
    };
    let names: Vec<&str> = chosen.iter().map(|map| map.name.as_str()).collect();
    let mut imported = source.import(&names, size, Pool::Cells)?;
    imported.cut.why =
        "the narrowest feature maps of stride 8 and 16, as deep as possible".to_string();
    imported.cut.asked = false;
    Ok(imported)
}

/// Returns the last map of a stride among those with at most one and a half times the least number of
/// channels.
fn narrow(all: &[Candidate], input: [usize; 2], stride: usize) -> Option<Candidate> {
    let is_of_stride = |map: &&Candidate| {
        let sides = [map.shape.h(), map.shape.w()];
        (0..2).all(|axis| input[axis].div_ceil(stride) == sides[axis])
            && map.shape.c() >= LEAST_CHANNELS
    };
    let least = all.iter().filter(is_of_stride).map(|map| map.shape.c()).min()?;
    all.iter().filter(is_of_stride).rfind(|map| 2 * map.shape.c() <= 3 * least).cloned()
}

/// Returns the layout of the cells of an imported model; its zero point is not known yet.
///
/// # Errors
/// The maps do not fit together, or have no places in the image.
pub(super) fn layout(
    source: &Source,
    model: &Model,
    option: CellsOption,
) -> Result<Option<CellsLayout>, ConvertError> {
    let refuse = |what| Err(ConvertError::Cells { path: source.path.clone(), what });
    let all = option.neighbours();
    let Some(fewest) = all.last() else { return Ok(None) };
    let places = geometry::of(model);
    let mut maps = Vec::new();
    for id in joined(model) {
        let layer = &model.layers[id];
        match places[id].and_then(|own| map(own, layer.shape.dims())) {
            Some(map) => maps.push(map),
            None => {
                let name = &layer.name;
                return refuse(format!("`{name}` is no feature map whose places are known"));
            }
        }
    }
    let shape = model.layers[0].shape;
    let input = [shape.h(), shape.w()].map(|side| side as u16);
    let layouts = all.iter().map(|&own| CellsLayout::new(&maps, own, input, 0));
    if let Some(layout) = layouts.flatten().next() {
        return Ok(Some(layout));
    }
    let channels: usize = maps.iter().map(|map| usize::from(map.channels)).sum();
    let values = channels * (1 + fewest.count());
    let coarsest = maps.iter().flat_map(|map| map.stride).max().unwrap_or(1);
    refuse(if values > MAX_CELL_VALUES {
        format!(
            "a cell of {channels} channels has {values} values with its neighbourhoods ({}), allowed are \
             {MAX_CELL_VALUES}: choose fewer neighbourhoods (--neighbours) or other maps (--cut)",
            fewest.name()
        )
    } else {
        format!(
            "the maps do not fit together: at most {MAX_MAPS}, the finest a multiple of the others; take an \
             --input-size whose sides are multiples of {coarsest}"
        )
    })
}

/// Returns the layers of the maps, in order.
fn joined(model: &Model) -> Vec<LayerId> {
    let output = &model.layers[model.output];
    if !matches!(output.op, LayerOp::Concat) || output.name != CELLS {
        return vec![model.output];
    }
    output.inputs.iter().map(|&band| model.layers[band].inputs[0]).collect()
}

/// Returns a map whose stride and offset are whole.
fn map(own: Geometry, [height, width, channels]: [usize; 3]) -> Option<CellMap> {
    let is_whole = own.stride.iter().chain(&own.offset).all(|x| x.fract() == 0.0 && x.abs() < 3e4);
    let sides = [height, width, channels].map(|side| u16::try_from(side).ok());
    is_whole.then_some(CellMap {
        height: sides[0]?,
        width: sides[1]?,
        channels: sides[2]?,
        stride: own.stride.map(|stride| stride as u16),
        offset: own.offset.map(|offset| offset as i16),
    })
}
