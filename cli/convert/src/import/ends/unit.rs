//! Detection of vectors that a model scales to L2 norm 1 itself.

use std::collections::HashSet;

use super::Ends;

impl<'g> Ends<'g> {
    /// Returns the tensor that a node scales to L2 norm 1, if it is one vector: the node is the
    /// last of `x / |x|`, as exporters write it.
    pub(super) fn normalized(&self, at: usize) -> Option<&'g str> {
        let node = self.flow.node(at);
        let inputs = self.flow.data_inputs(at);
        let before = match (node.op_type.as_str(), &inputs[..]) {
            ("LpNormalization", [x]) => {
                let power = node.attribute.iter().find(|a| a.name == "p").map_or(2, |a| a.i);
                (power == 2).then_some(*x)
            }
            ("Div", [x, norm]) if node.input.first().is_some_and(|first| first == x) => {
                self.is_norm(norm, x, false).then_some(*x)
            }
            ("Mul", [a, b]) => [(a, b), (b, a)]
                .into_iter()
                .find_map(|(x, norm)| self.is_norm(norm, x, true).then_some(*x)),
            _ => None,
        };
        before.filter(|x| self.is_vector(x))
    }

    /// True if a tensor is the Euclidean norm of `x`, or its inverse: a root of a sum of squares of
    /// nothing else.
    fn is_norm(&self, tensor: &'g str, x: &'g str, inverse: bool) -> bool {
        let mut root = false;
        let mut sum = false;
        let mut square = false;
        let mut inverted = false;
        let mut open = vec![tensor];
        let mut seen = HashSet::new();
        while let Some(tensor) = open.pop() {
            if tensor == x || !seen.insert(tensor) {
                continue;
            }
            let Some(at) = self.flow.giver(tensor) else { return false };
            let inputs = self.flow.data_inputs(at);
            match (self.flow.node(at).op_type.as_str(), inputs.len()) {
                ("ReduceL2", 1) => (root, sum, square) = (true, true, true),
                ("ReduceSumSquare", 1) => (sum, square) = (true, true),
                ("ReduceSum", 1) => sum = true,
                ("Sqrt", 1) => root = true,
                ("Reciprocal" | "Div", 1) => inverted = true,
                // A power is a square, a root or a power of -1/2, depending on the other nodes.
                ("Pow", 1) if sum => square = true,
                ("Pow", 1) => (root, inverted) = (true, inverse),
                ("Mul", 1) => square |= self.flow.node(at).input.iter().all(|i| i == inputs[0]),
                (
                    "Clip" | "Max" | "Add" | "Expand" | "Unsqueeze" | "Squeeze" | "Reshape"
                    | "Cast" | "Identity" | "Abs",
                    1,
                ) => {}
                _ => return false,
            }
            open.extend(inputs);
        }
        root && sum && square && inverted == inverse
    }

    /// Returns the tensor that was scaled to L2 norm 1 to compute this one, if it was only moved
    /// since.
    pub(super) fn unit_behind(&self, tensor: &str) -> Option<&'g str> {
        let mut at = self.flow.giver(tensor)?;
        loop {
            if let Some(before) = self.normalized(at) {
                return Some(before);
            }
            let moves =
                ["Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"];
            if !moves.contains(&self.flow.node(at).op_type.as_str()) {
                return None;
            }
            at = self.flow.giver(self.flow.data_input(at)?)?;
        }
    }
}
