//! The tensor operations that networks call instead of spelling them out.
//!
//! Use this crate if you write a network: an activation, a normalisation, attention or a dropout
//! taken from here is exact, differentiable, checked against a reference in f64, and becomes faster
//! without a change in the network. Do not use it to run a finished model (that is
//! `Predictor::predict` in `andiron-core`), nor for anything that knows of texts, images or losses:
//! it knows tensors only.
//!
//! ```
//! use andiron_kernels::{Activation, AttentionOptions, add_layer_norm, attention, linear};
//! use burn::tensor::{Bool, Device, Tensor};
//!
//! let device = Device::flex();
//! let (batch, n_heads, len, d_head) = (2, 3, 5, 4);
//! let heads = Tensor::<4>::ones([batch, n_heads, len, d_head], &device);
//! // The second sequence has three tokens; the rest is padding.
//! let visible = Tensor::<2, Bool>::from_data(
//!     [[true, true, true, true, true], [true, true, true, false, false]],
//!     &device,
//! );
//! let options = AttentionOptions { causal: true, ..Default::default() };
//! let mixed = attention(heads.clone(), heads.clone(), heads, Some(visible), &options);
//! assert_eq!(mixed.dims(), [2, 3, 5, 4]);
//!
//! let d_model = n_heads * d_head;
//! let mixed = mixed.swap_dims(1, 2).reshape([batch, len, d_model]);
//! let residual = mixed.zeros_like();
//! let (normalised, sum) = add_layer_norm(mixed, residual, Tensor::ones([d_model], &device), None, 1e-5);
//! assert_eq!(sum.dims(), [2, 5, 12]);
//!
//! let weight = Tensor::<2>::ones([d_model, 7], &device);
//! assert_eq!(linear(normalised, weight, None, Activation::Gelu).dims(), [2, 5, 7]);
//! ```
//!
//! # How a fused body comes in with no change in any model
//!
//! Every operation is one function of tensors, and a tensor of burn knows its device, its precision
//! and whether it is recorded only at run time. So the function itself chooses the body, call by
//! call, and a network neither names a backend nor sees the choice. There are three bodies, of which
//! an operation has one to three; [`gelu`](gelu()) has all and is the model for the others:
//!
//! | the tensor is | body |
//! |---|---|
//! | on Flex, f32, not recorded | unwrap the values (`try_into_primitive::<Flex>`), sweep over them once in vectors and in parallel, in place where nobody else holds them, and wrap them again |
//! | on Flex, f32, recorded | an operation of our own (`#[backend_extension]`) with the same sweep and a gradient by hand |
//! | anything else | burn's operations, which are differentiable on every backend |
//!
//! The last row is what each operation starts with, and the twin that the others are tested against.
//! Four rules keep the choice right. Look at the device before unwrapping, since that consumes the
//! tensor, and a spare clone forbids writing in place. Ask of *all* tensors of a call whether they
//! are recorded: plain activations may meet recorded weights. Call an extension only for backends
//! that it lists: burn panics for others. Keep the loop in a function without type or const
//! parameters: a generic one is compiled in the calling crate, which a development build hardly
//! optimises.
//!
//! So that there is something to fuse, the functions take what belongs together: [`linear()`] its
//! bias and activation, [`add_layer_norm`] its residual, [`conv2d_norm_act`] the whole block in both
//! modes, [`attention()`] the lengths rather than a mask of every pair.
//!
//! # Modules
//!
//! - [`activation`][]: [`Activation`], [`silu`]
//! - [`gelu`](mod@gelu): [`gelu`](gelu())
//! - [`softmax`][]: [`masked_softmax`]
//! - [`norm`][]: [`layer_norm`], [`rms_norm`], and both after a residual
//! - [`linear`](mod@linear): [`linear()`], [`linear_by_rows`]
//! - [`attention`](mod@attention): [`attention()`], [`AttentionOptions`]
//! - [`kv_cache`][]: [`KvCache`], what a decoder keeps of the tokens it has read
//! - [`module`][]: [`project`], [`normalise`], [`add_normalise`], which take burn's layers as holders
//!   of parameters
//! - [`rotary`](mod@rotary): [`rotary()`], [`RotaryTable`]
//! - [`conv`][]: [`conv2d()`], [`conv2d_norm_act`], [`conv1d_norm_act`], [`FoldedNorm`]
//! - [`dense`][]: [`dense_conv2d`]
//! - [`depthwise`][]: [`depthwise_conv2d`]
//! - [`transposed`][]: [`conv_transpose2d`]
//! - [`random`][]: [`training`], [`dropout`], [`draw`], [`mix`]
//! - [`dice`][]: [`Dice`]
//!
//! No operation here sums a whole tensor, which Flex does in no fixed order when it is long. Values
//! and gradients are the same bits for any number of threads, which the tests hold for every
//! operation that works in parallel. Another CPU may give other bits.

pub mod activation;
pub mod attention;
mod batch_norm;
pub mod conv;
pub mod dense;
pub mod depthwise;
pub mod dice;
mod few_rows;
mod flex;
pub mod gelu;
pub mod kv_cache;
pub mod linear;
mod many_rows;
pub mod module;
pub mod norm;
mod planned;
pub mod random;
pub mod rotary;
pub mod softmax;
mod sweep;
mod tile;
pub mod transposed;

pub use activation::{Activation, silu};
pub use attention::{AttentionOptions, attention};
pub use conv::{FoldedNorm, conv1d_norm_act, conv2d, conv2d_act, conv2d_norm_act};
pub use dense::dense_conv2d;
pub use depthwise::depthwise_conv2d;
pub use dice::Dice;
pub use gelu::gelu;
pub use kv_cache::KvCache;
pub use linear::{linear, linear_by_rows};
pub use module::{add_normalise, normalise, project};
pub use norm::{add_layer_norm, add_rms_norm, layer_norm, rms_norm};
pub use random::{draw, dropout, is_training, mix, split_mix, training};
pub use rotary::{RotaryLayout, RotaryTable, rotary};
pub use softmax::masked_softmax;
pub use transposed::conv_transpose2d;
