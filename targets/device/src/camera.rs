//! Cameras: Video4Linux, standard input, folders of images, a simulated one; sensors in place of them;
//! frames from their buffers.

pub(crate) mod folder;
pub(crate) mod frame_buffer;
pub(crate) mod frame_rate;
pub(crate) mod latest;
pub(crate) mod mjpeg;
pub(crate) mod pipe {
    //! Frames of another program, from standard input.

    pub(crate) mod format;
    pub(crate) mod split;
    pub(crate) mod stream;
}
pub(crate) mod pixels;
pub(crate) mod sensor;
pub(crate) mod simulated;
#[cfg(all(feature = "v4l", target_os = "linux"))]
pub(crate) mod v4l;
