#!/usr/bin/env bash
# Makes the buffers of this folder with ffmpeg (5.1.9 of Debian bookworm made these): its test picture as
# cameras deliver it, and what ffmpeg itself makes of each.
#   targets/device/tests/buffers/make.sh
set -euo pipefail
cd "$(dirname "$0")"

side=64x48
exact=accurate_rnd+full_chroma_int

# as PIXELS FILTERS: standard input's RGB in another form, on standard output.
as() {
    ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s $side -i - -vf "scale=$2" -pix_fmt "$1" -f rawvideo -
}

# Cameras that deliver RGB: the picture as it is.
ffmpeg -v error -f lavfi -i testsrc2=size=$side -frames:v 1 -pix_fmt rgb24 -f rawvideo - >rgb24.raw
cp rgb24.raw rgb24.rgb

# YUV of BT.601 with luma of 16 to 235, colour of neighbours averaged.
for pixels in yuyv422 nv12; do
    as $pixels "out_range=limited:out_color_matrix=bt601:flags=$exact+area" <rgb24.raw >$pixels.raw
    ffmpeg -v error -f rawvideo -pix_fmt $pixels -s $side -i $pixels.raw \
        -vf "scale=in_range=limited:in_color_matrix=bt601:flags=$exact+neighbor" \
        -pix_fmt rgb24 -f rawvideo - >$pixels.rgb
done

# Motion JPEG with colour halved across, as most cameras have it; JPEG's luma is of 0 to 255.
as yuvj422p "out_range=full:out_color_matrix=bt601:flags=$exact+area" <rgb24.raw |
    ffmpeg -v error -f rawvideo -pix_fmt yuvj422p -s $side -i - -c:v mjpeg -q:v 2 -f mjpeg - >mjpeg.raw
ffmpeg -v error -f mjpeg -i mjpeg.raw -vf "scale=in_range=full:in_color_matrix=bt601:flags=$exact+bilinear" \
    -pix_fmt rgb24 -f rawvideo - >mjpeg.rgb
