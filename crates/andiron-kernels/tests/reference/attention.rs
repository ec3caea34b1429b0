use crate::support::{assert_close, check, mask, numbers, plain, read, softmax_row, truths};
use andiron_kernels::{AttentionOptions, attention};
use burn::tensor::{DType, Tensor};
use proptest::prelude::*;

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    n_heads: usize,
    n_kv_heads: usize,
    len_q: usize,
    len_k: usize,
    d_head: usize,
    d_value: usize,
}

impl Sizes {
    fn inputs(&self) -> [Vec<f64>; 3] {
        let kv = self.batch * self.n_kv_heads * self.len_k;
        [
            numbers(1, self.batch * self.n_heads * self.len_q * self.d_head),
            numbers(2, kv * self.d_head),
            numbers(3, kv * self.d_value),
        ]
    }

    fn output(&self) -> usize {
        self.batch * self.n_heads * self.len_q * self.d_value
    }

    fn run(
        &self,
        mut inputs: Vec<Tensor<1>>,
        visible: Option<&[bool]>,
        options: &AttentionOptions,
    ) -> Tensor<4> {
        let s = self;
        let value = inputs.remove(2).reshape([s.batch, s.n_kv_heads, s.len_k, s.d_value]);
        let key = inputs.remove(1).reshape([s.batch, s.n_kv_heads, s.len_k, s.d_head]);
        let query = inputs.remove(0).reshape([s.batch, s.n_heads, s.len_q, s.d_head]);
        let device = query.device();
        let visible = visible.map(|visible| mask(visible, [s.batch, s.len_k], &device));
        attention(query, key, value, visible, options)
    }

    fn reference(
        &self,
        [query, key, value]: &[Vec<f64>; 3],
        visible: Option<&[bool]>,
        options: &AttentionOptions,
    ) -> Vec<f64> {
        let s = self;
        let scale = options.scale.unwrap_or(1.0 / (s.d_head as f64).sqrt());
        let mut out = Vec::with_capacity(s.output());
        for row in 0..s.batch * s.n_heads * s.len_q {
            let (b, h, i) = (row / s.len_q / s.n_heads, row / s.len_q % s.n_heads, row % s.len_q);
            let first = (b * s.n_kv_heads + h / (s.n_heads / s.n_kv_heads)) * s.len_k;
            let q = &query[row * s.d_head..][..s.d_head];
            let scores: Vec<f64> = (first..first + s.len_k)
                .map(|k| {
                    q.iter().zip(&key[k * s.d_head..]).map(|(q, k)| q * k).sum::<f64>() * scale
                })
                .collect();
            let hidden: Vec<bool> = (0..s.len_k)
                .map(|j| {
                    let padding = visible.is_some_and(|visible| !visible[b * s.len_k + j]);
                    let future = options.causal && j + s.len_q > i + s.len_k;
                    // The query's own place among the keys is i + len_k − len_q.
                    let past =
                        options.window.is_some_and(|window| j + window + s.len_q <= i + s.len_k);
                    padding || future || past
                })
                .collect();
            let weights = softmax_row(&scores, &hidden);
            out.extend((0..s.d_value).map(|d| -> f64 {
                (0..s.len_k).map(|j| weights[j] * value[(first + j) * s.d_value + d]).sum()
            }));
        }
        out
    }
}

#[test]
fn equals_the_formula_in_every_option() {
    let full =
        Sizes { batch: 2, n_heads: 3, n_kv_heads: 3, len_q: 4, len_k: 5, d_head: 3, d_value: 2 };
    let grouped = Sizes { n_heads: 6, n_kv_heads: 2, len_q: 3, ..full };
    let one =
        Sizes { batch: 1, n_heads: 4, n_kv_heads: 1, len_q: 1, len_k: 6, d_head: 2, d_value: 5 };
    let more_queries = Sizes { len_q: 5, len_k: 3, ..grouped };
    for sizes in [full, grouped, one, more_queries] {
        let inputs = sizes.inputs();
        let mut visible = truths(4, sizes.batch * sizes.len_k);
        visible[..sizes.len_k].fill(false); // the first sequence has no token
        if sizes.batch == 1 {
            visible[1..3].fill(true);
        }
        for causal in [false, true] {
            for visible in [None, Some(&visible[..])] {
                for (scale, window) in
                    [(None, None), (Some(0.37), None), (None, Some(2)), (Some(0.37), Some(1))]
                {
                    let options = AttentionOptions { causal, scale, window };
                    let expected = sizes.reference(&inputs, visible, &options);
                    check(&inputs, &expected, |inputs| {
                        sizes.run(inputs, visible, &options).reshape([sizes.output()])
                    });
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_sizes_equal_the_formula(
        batch in 1usize..4,
        n_kv_heads in 1usize..3,
        group in 1usize..4,
        len_q in 1usize..9,
        len_k in 1usize..40,
        d_head in 1usize..17,
        causal: bool,
        window in prop::option::of(1usize..12),
        seed: u64,
    ) {
        let sizes = Sizes {
            batch, n_kv_heads, n_heads: n_kv_heads * group, len_q, len_k, d_head, d_value: d_head,
        };
        let options = AttentionOptions { causal, scale: None, window };
        let inputs = sizes.inputs();
        let visible = truths(seed, batch * len_k);
        let expected = sizes.reference(&inputs, Some(&visible), &options);
        let plain = inputs.iter().map(|x| plain(x, [x.len()])).collect::<Vec<_>>();
        let recording = plain.iter().cloned().map(Tensor::from_inner).collect();
        // In single precision few queries are done where their keys lie.
        let single = plain.iter().map(|x| x.clone().cast(DType::F32)).collect();
        assert_close(&read(sizes.run(single, Some(&visible), &options)), &expected, 2e-5);
        assert_close(&read(sizes.run(plain, Some(&visible), &options)), &expected, 1e-10);
        assert_close(&read(sizes.run(recording, Some(&visible), &options)), &expected, 1e-10);
    }
}

/// Long enough for the backend's tiled form (more than 262,144 weights a head).
#[test]
fn long_sequences_equal_the_formula() {
    let sizes = Sizes {
        batch: 2,
        n_heads: 2,
        n_kv_heads: 1,
        len_q: 530,
        len_k: 701,
        d_head: 4,
        d_value: 3,
    };
    let inputs = sizes.inputs();
    let mut visible = vec![true; 2 * 701];
    visible[701..701 + 600].fill(false); // padding on the left: whole tiles are hidden
    for (causal, window) in [(false, None), (true, None), (true, Some(130))] {
        let options = AttentionOptions { causal, scale: None, window };
        let expected = sizes.reference(&inputs, Some(&visible), &options);
        let single = inputs.iter().map(|x| plain(x, [x.len()]).cast(DType::F32)).collect();
        assert_close(&read(sizes.run(single, Some(&visible), &options)), &expected, 2e-5);
    }
}

#[test]
fn one_by_one_equals_the_batch_and_padding_does_not_matter() {
    let sizes =
        Sizes { batch: 3, n_heads: 4, n_kv_heads: 2, len_q: 7, len_k: 7, d_head: 5, d_value: 5 };
    let inputs = sizes.inputs().map(|x| plain(&x, [x.len()]).cast(DType::F32));
    let lengths = [7, 4, 1];
    let visible: Vec<bool> = lengths.iter().flat_map(|n| (0..7).map(move |i| i < *n)).collect();
    let options = AttentionOptions { causal: true, window: Some(3), ..Default::default() };
    let all = sizes.run(inputs.to_vec(), Some(&visible), &options);
    let heads = [sizes.n_heads, sizes.n_kv_heads, sizes.n_kv_heads];
    for (b, len) in lengths.into_iter().enumerate() {
        let member = |len: usize| -> Vec<Tensor<1>> {
            let one = |(x, heads): (&Tensor<1>, usize)| {
                let x = x.clone().reshape([3, heads, 7, 5]).narrow(0, b, 1).narrow(2, 0, len);
                x.reshape([heads * len * 5])
            };
            inputs.iter().zip(heads).map(one).collect()
        };
        let expected = all.clone().narrow(0, b, 1);
        let alone =
            Sizes { batch: 1, ..sizes }.run(member(7), Some(&visible[b * 7..][..7]), &options);
        assert_eq!(alone.into_data(), expected.clone().into_data(), "one by one: the same bits");
        let bare =
            Sizes { batch: 1, len_q: len, len_k: len, ..sizes }.run(member(len), None, &options);
        assert_close(&read(bare), &read(expected.narrow(2, 0, len)), 1e-6);
    }
}

/// Keys and values that are parts of larger buffers, as in a cache, in single precision.
#[test]
fn few_queries_read_keys_where_they_lie() {
    let sizes =
        Sizes { batch: 2, n_heads: 6, n_kv_heads: 3, len_q: 2, len_k: 37, d_head: 21, d_value: 19 };
    let inputs = sizes.inputs();
    let expected = sizes.reference(&inputs, None, &AttentionOptions::default());
    let [query, key, value] =
        [0, 1, 2].map(|at| plain(&inputs[at], [inputs[at].len()]).cast(DType::F32));
    let query = query.reshape([2, 6, 2, 21]);
    let (key, value) = (key.reshape([2, 3, 37, 21]), value.reshape([2, 3, 37, 19]));
    let within = |x: Tensor<4>| {
        let more = x.clone() * 9.0;
        let longer = Tensor::cat(vec![more.clone(), x, more], 2);
        longer.narrow(2, 37, 37)
    };
    let turned = |x: Tensor<4>| {
        let copy = x.swap_dims(2, 3).into_data();
        Tensor::<4>::from_data(copy, &query.device()).swap_dims(2, 3)
    };
    for (key, value) in [(within(key.clone()), within(value.clone())), (turned(key), turned(value))]
    {
        let got = attention(query.clone(), key, value, None, &AttentionOptions::default());
        assert_close(&read(got), &expected, 2e-5);
    }
}

#[test]
fn queries_after_a_cache_equal_the_whole() {
    let sizes =
        Sizes { batch: 2, n_heads: 4, n_kv_heads: 2, len_q: 6, len_k: 6, d_head: 3, d_value: 3 };
    let options = AttentionOptions { causal: true, window: Some(4), ..Default::default() };
    let inputs: Vec<Tensor<1>> = sizes.inputs().iter().map(|x| plain(x, [x.len()])).collect();
    let whole = sizes.run(inputs.clone(), None, &options);
    let last = inputs[0].clone().reshape([2, 4, 6, 3]).narrow(2, 4, 2).reshape([2 * 4 * 2 * 3]);
    let cached = Sizes { len_q: 2, ..sizes }.run(
        vec![last, inputs[1].clone(), inputs[2].clone()],
        None,
        &options,
    );
    assert_close(&read(cached), &read(whole.narrow(2, 4, 2)), 1e-12);
}

#[test]
#[should_panic(expected = "they are 3 and 2")]
fn heads_that_do_not_divide_are_refused() {
    let sizes =
        Sizes { batch: 1, n_heads: 3, n_kv_heads: 2, len_q: 1, len_k: 1, d_head: 1, d_value: 1 };
    let inputs = sizes.inputs().iter().map(|x| plain(x, [x.len()])).collect();
    let _ = sizes.run(inputs, None, &AttentionOptions::default());
}

#[test]
fn many_queries_to_many_keys_are_the_reference() {
    let sizes = Sizes {
        batch: 2,
        n_heads: 2,
        n_kv_heads: 2,
        len_q: 403,
        len_k: 701,
        d_head: 5,
        d_value: 3,
    };
    let options = AttentionOptions::default();
    let inputs = sizes.inputs();
    let tensors = inputs.iter().map(|values| plain(values, [values.len()])).collect();
    let got = read(sizes.run(tensors, None, &options));
    assert_close(&got, &sizes.reference(&inputs, None, &options), 1e-5);
}
