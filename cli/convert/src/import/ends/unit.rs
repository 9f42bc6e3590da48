//! Vectors that a model brings to length 1 itself.

use std::collections::HashSet;

use super::Ends;

impl<'g> Ends<'g> {
    /// What a node brings to length 1, if it is one vector: the last node of `x / |x|`, as exporters write it.
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
            ("Mul", [a, b]) => {
                [(a, b), (b, a)].into_iter().find_map(|(x, norm)| self.is_norm(norm, x, true).then_some(*x))
            }
            _ => None,
        };
        before.filter(|x| self.is_vector(x))
    }

    /// Whether a tensor is the Euclidean norm of `x`, or one by it: a root of a sum of squares of nothing else.
    fn is_norm(&self, tensor: &'g str, x: &'g str, inverse: bool) -> bool {
        let (mut root, mut sum, mut square, mut inverted) = (false, false, false, false);
        let (mut open, mut seen) = (vec![tensor], HashSet::new());
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
                // A square, a root or a power of -1/2: which of them is told by what is there beside it.
                ("Pow", 1) if sum => square = true,
                ("Pow", 1) => (root, inverted) = (true, inverse),
                ("Mul", 1) => square |= self.flow.node(at).input.iter().all(|i| i == inputs[0]),
                (
                    "Clip" | "Max" | "Add" | "Expand" | "Unsqueeze" | "Squeeze" | "Reshape" | "Cast"
                    | "Identity" | "Abs",
                    1,
                ) => {}
                _ => return false,
            }
            open.extend(inputs);
        }
        root && sum && square && inverted == inverse
    }

    /// What is brought to length 1 to make a tensor, if it only moves since.
    pub(super) fn unit_behind(&self, tensor: &str) -> Option<&'g str> {
        let mut at = self.flow.giver(tensor)?;
        loop {
            if let Some(before) = self.normalized(at) {
                return Some(before);
            }
            let moves = ["Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"];
            if !moves.contains(&self.flow.node(at).op_type.as_str()) {
                return None;
            }
            at = self.flow.giver(self.flow.data_input(at)?)?;
        }
    }
}
