//! Whole numbers by shares.

/// Divides `whole` by weights, by the largest remainder: everybody has their share rounded down, and what is left goes
/// one each to the largest remainders, the first of equals first. The sum is `whole`, unless all weights are 0.
///
/// A share is never more than its weight where `whole` is not more than the sum of the weights.
///
/// ```
/// use flatnet_platform_engine::apportion::largest_remainder;
/// assert_eq!(largest_remainder(10, &[1, 1, 1]), [4, 3, 3]);
/// ```
pub fn largest_remainder(whole: u32, weights: &[u64]) -> Vec<u32> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |w: &u64| u128::from(whole) * u128::from(*w);
    let narrow = |n: u128| u32::try_from(n).unwrap_or(u32::MAX);
    let mut shares: Vec<u32> = weights.iter().map(|w| narrow(exact(w) / sum)).collect();
    let given: u32 = shares.iter().sum();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(exact(&weights[i]) % sum), i));
    for &i in order.iter().take((whole - given) as usize) {
        shares[i] += 1;
    }
    shares
}

/// The first `count` seats of a placement, by place: everybody's seats are spread evenly over the order, so that any
/// prefix of it is in proportion, and a longer prefix never takes a seat away (which the largest remainder may).
///
/// Seat *j* of *n* stands at (2*j*+1)/(2*n*), as in Webster's method.
pub fn prefix(placement: &[u32], count: u32) -> Vec<u32> {
    let whole: u32 = placement.iter().sum();
    if count >= whole {
        return placement.to_vec();
    }
    let mut seats = Vec::with_capacity(whole as usize);
    for (place, &n) in placement.iter().enumerate() {
        for j in 0..n {
            // (2j+1)/(2n) < 1, as a fraction of 2^32: numbers are compared, and equals go by place.
            let at = (u64::from(2 * j + 1) << 32) / u64::from(2 * n);
            seats.push((at, place));
        }
    }
    let mut taken = vec![0; placement.len()];
    if count > 0 {
        seats.select_nth_unstable(count as usize - 1);
        for (_, place) in seats.iter().take(count as usize) {
            taken[*place] += 1;
        }
    }
    taken
}

/// The first `count` seats where the first of `ranks` is filled before the second: places of one rank share as in
/// [`prefix`].
pub fn ranked_prefix(placement: &[u32], ranks: &[usize], count: u32) -> Vec<u32> {
    let mut taken = vec![0; placement.len()];
    let mut left = count;
    let mut order: Vec<usize> = ranks.to_vec();
    order.sort_unstable();
    order.dedup();
    for rank in order {
        let of_rank = placement.iter().zip(ranks);
        let masked: Vec<u32> = of_rank
            .map(|(n, r)| if *r == rank { *n } else { 0 })
            .collect();
        let part = prefix(&masked, left);
        left -= part.iter().sum::<u32>();
        taken.iter_mut().zip(part).for_each(|(all, n)| *all += n);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_remainder_gives_all_and_to_nobody_more_than_the_weight() {
        for whole in 0..=30 {
            let weights = [7, 0, 13, 10];
            let shares = largest_remainder(whole, &weights);
            assert_eq!(shares.iter().sum::<u32>(), whole);
            let within = shares.iter().zip(weights).all(|(s, w)| u64::from(*s) <= w);
            assert!(within, "{whole}: {shares:?}");
        }
        assert_eq!(largest_remainder(5, &[0, 0]), [0, 0]);
    }

    #[test]
    fn a_longer_prefix_takes_no_seat_away_and_each_is_in_proportion() {
        let placement = [10, 3, 0, 7];
        let mut before = vec![0; 4];
        for count in 0..=20 {
            let now = prefix(&placement, count);
            assert_eq!(now.iter().sum::<u32>(), count);
            for place in 0..4 {
                assert!(
                    now[place] >= before[place],
                    "{count}: {now:?} after {before:?}"
                );
                let exact = f64::from(count) * f64::from(placement[place]) / 20.0;
                assert!(
                    (f64::from(now[place]) - exact).abs() <= 1.0,
                    "{count}: {now:?}"
                );
            }
            before = now;
        }
        assert_eq!(prefix(&placement, 100), placement);
    }

    #[test]
    fn the_first_location_is_filled_first() {
        assert_eq!(ranked_prefix(&[2, 2, 4], &[1, 0, 0], 5), [0, 2, 3]);
        assert_eq!(ranked_prefix(&[2, 2, 4], &[1, 0, 0], 7), [1, 2, 4]);
    }
}
