//! Parts and reflections of an image: no pixel changes its value.

use super::Image;

impl Image {
    /// The window of `width` by `height` pixels whose upper left corner is the pixel `(left, top)`,
    /// counted from 0. What lies outside the image has `outside` in every channel.
    ///
    /// ```
    /// use andiron_vision::Image;
    ///
    /// let image = Image::gray(3, 2, vec![0, 1, 2, 3, 4, 5])?;
    /// assert_eq!(image.window(1, 0, 2, 2, 9).pixels(), [1, 2, 4, 5]);
    /// assert_eq!(image.window(-1, 1, 2, 2, 9).pixels(), [9, 3, 9, 9]);
    /// # Ok::<(), andiron_core::DataError>(())
    /// ```
    ///
    /// # Panics
    /// If a side is 0, or the window has more pixels than an image may have.
    #[must_use]
    pub fn window(&self, left: i64, top: i64, width: u32, height: u32, outside: u8) -> Self {
        let size = super::check_size(width, height);
        assert!(size.is_ok(), "a window of {width} by {height} pixels");
        let channels = usize::from(self.channels);
        let (row, old_row) = (width as usize * channels, self.width as usize * channels);
        let mut pixels = vec![outside; row * height as usize];
        // What both have, in the coordinates of the old image.
        let first = left.clamp(0, self.width.into());
        let end = left.saturating_add(width.into()).clamp(0, self.width.into());
        if first < end {
            let (from, to) = (first as usize * channels, end as usize * channels);
            let shift = (first - left) as usize * channels;
            for (y, new) in pixels.chunks_exact_mut(row).enumerate() {
                let old = top.saturating_add(y as i64);
                if (0..i64::from(self.height)).contains(&old) {
                    let old = &self.pixels[old as usize * old_row..][..old_row];
                    new[shift..shift + to - from].copy_from_slice(&old[from..to]);
                }
            }
        }
        Self { width, height, channels: self.channels, pixels }
    }

    /// The image as a mirror beside it shows it: left and right change places.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let channels = usize::from(self.channels);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for row in self.pixels.chunks_exact(self.width as usize * channels) {
            row.chunks_exact(channels).rev().for_each(|pixel| pixels.extend_from_slice(pixel));
        }
        Self { pixels, ..*self }
    }

    /// The image as water below it shows it: top and bottom change places.
    #[must_use]
    pub fn flipped(&self) -> Self {
        let row = self.width as usize * usize::from(self.channels);
        Self { pixels: self.pixels.chunks_exact(row).rev().flatten().copied().collect(), ..*self }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reflections_move_whole_pixels() {
        let image = Image::rgb(2, 3, (0..18).collect()).unwrap();
        let mirrored = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8, 15, 16, 17, 12, 13, 14];
        assert_eq!(image.mirrored().pixels(), mirrored);
        let flipped = [12, 13, 14, 15, 16, 17, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5];
        assert_eq!(image.flipped().pixels(), flipped);
        assert_eq!(image.mirrored().mirrored(), image);
        assert_eq!(image.flipped().flipped(), image);
    }

    proptest! {
        #[test]
        fn a_window_is_the_image_where_it_is_and_flat_elsewhere(
            size in (1u32..6, 1u32..7), at in (-9i64..9, -9i64..9), window in (1u32..8, 1u32..9), colored: bool,
        ) {
            let channels = if colored { 3 } else { 1 };
            let pixels = (0..size.0 * size.1 * channels).map(|value| value as u8).collect();
            let image = match colored {
                true => Image::rgb(size.0, size.1, pixels),
                false => Image::gray(size.0, size.1, pixels),
            };
            let image = image.unwrap();
            let seen = image.window(at.0, at.1, window.0, window.1, 255);
            prop_assert_eq!((seen.width(), seen.height()), window);
            for y in 0..window.1 {
                for x in 0..window.0 {
                    for channel in 0..channels {
                        let found = seen.pixels()[((y * window.0 + x) * channels + channel) as usize];
                        let (old_x, old_y) = (at.0 + i64::from(x), at.1 + i64::from(y));
                        let inside = (0..i64::from(size.0)).contains(&old_x)
                            && (0..i64::from(size.1)).contains(&old_y);
                        let wanted = match inside {
                            true => {
                                let at = old_y as u32 * size.0 + old_x as u32;
                                image.pixels()[(at * channels + channel) as usize]
                            }
                            false => 255,
                        };
                        prop_assert_eq!(found, wanted);
                    }
                }
            }
        }
    }
}
