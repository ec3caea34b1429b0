//! From a name to a [`Device`].

use crate::DeviceError;
use burn::tensor::Device;

/// The device names that are compiled in; those that end in `:N` take a number.
pub fn device_names() -> Vec<&'static str> {
    let mut names = vec!["flex"];
    for (compiled, name) in [
        (cfg!(feature = "ndarray"), "ndarray"),
        (cfg!(feature = "wgpu"), "wgpu"),
        (cfg!(feature = "vulkan"), "vulkan"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "cuda"), "cuda:N"),
        (cfg!(feature = "rocm"), "rocm:N"),
    ] {
        if compiled {
            names.push(name);
        }
    }
    names
}

/// Turns a name (`flex`, `ndarray`, `wgpu`, `cuda:0`) into a device.
///
/// ```
/// let device = andiron_core::device("flex")?;
/// let unknown = andiron_core::device("abacus").unwrap_err();
/// assert!(unknown.to_string().contains("flex"));
/// # Ok::<(), andiron_core::DeviceError>(())
/// ```
///
/// # Errors
/// [`DeviceError::Unknown`] names the devices that are compiled in; [`DeviceError::Index`] if the
/// part behind the colon is no number, or stands behind a name that takes none.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let (kind, index) = match name.split_once(':') {
        None => (name, None),
        Some((kind, number)) => {
            let index = number.parse::<usize>().map_err(|_| DeviceError::Index {
                got: name.to_owned(),
                reason: "a whole number was wanted behind the colon",
            })?;
            (kind, Some(index))
        }
    };
    let unknown = || DeviceError::Unknown { got: name.to_owned(), known: device_names() };
    let device = match kind {
        "flex" => Device::flex(),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "kept until burn drops it: the second opinion on every model")]
        "ndarray" => Device::new(burn_ndarray::NdArrayDevice::Cpu),
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "metal")]
        "metal" => Device::metal(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "cuda")]
        "cuda" => return Ok(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "rocm")]
        "rocm" => return Ok(Device::rocm(index.unwrap_or(0))),
        _ => return Err(unknown()),
    };
    if index.is_some() {
        return Err(DeviceError::Index {
            got: name.to_owned(),
            reason: "this device takes no number",
        });
    }
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_devices() {
        assert_eq!(device("flex").map(|_| ()), Ok(()));
        #[cfg(feature = "ndarray")]
        assert_eq!(device("ndarray").map(|_| ()), Ok(()));
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let Err(refused) = device("abacus") else { panic!("there is no such device") };
        assert!(
            refused
                .to_string()
                .starts_with("there is no device \"abacus\"; compiled in are [\"flex\"")
        );
        assert!(matches!(device("flex:1"), Err(DeviceError::Index { .. })));
        assert!(matches!(device("flex:x"), Err(DeviceError::Index { .. })));
    }
}
