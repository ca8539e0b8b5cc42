//! Statements that need each other in a ring, which no build can begin.
//!
//! Does not know what a node is.

use crate::inventory::Graph;

/// Where the search for a ring stands with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way from where the search began.
    Entered,
    Left,
}

/// The places of nodes of which each needs the next, and the last the first.
pub(super) fn ring(graph: &Graph) -> Option<Vec<u32>> {
    let starts = graph.starts();
    let mut states = vec![State::New; graph.nodes.len()];
    for root in (0..).take(graph.nodes.len()) {
        // Each with the number of its needs that were looked at.
        let mut way: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some((at, looked)) = way.last_mut() {
            let (at, next) = (*at, graph.edges_of(&starts, *at).get(*looked));
            let state = states.get_mut(at as usize)?;
            match (*state, *looked, next) {
                (State::Left, ..) | (_, _, None) => {
                    *state = State::Left;
                    way.pop();
                }
                (State::Entered, 0, _) => {
                    let way: Vec<u32> = way.iter().map(|(place, _)| *place).collect();
                    let first = way.iter().position(|place| *place == at)?;
                    return way.get(first..way.len() - 1).map(<[u32]>::to_vec);
                }
                (_, _, Some(edge)) => {
                    *state = State::Entered;
                    *looked += 1;
                    way.push((edge.to, 0));
                }
            }
        }
    }
    None
}
