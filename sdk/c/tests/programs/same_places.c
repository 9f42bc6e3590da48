/* Answers of liboffshoot about places and signals: the lines of sdk/examples/same_places.rs.
 *   same_places CELLS SIGNALS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offshoot.h>

#include "check.h"

enum { CODES = 16 * 16 * 8, CELLS = 16 * 16, DIM = 12 };

static int8_t codes[CODES];

/* FNV-1a. */
static uint64_t digest(const void *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; ++i)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void print_bits(const float *values, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof bits);
        printf(" %08" PRIx32, bits);
    }
}

static offshoot_embedding square(offshoot_extractor extractor, const int *at, const char *colour) {
    static uint8_t pixels[3 * 32 * 32];
    memset(pixels, 40, sizeof pixels);
    for (int i = 0; i < 64; ++i)
        memcpy(pixels + 3 * (32 * (at[1] + i / 8) + at[0] + i % 8), colour, 3);
    offshoot_frame frame = {.size = sizeof frame, .format = OFFSHOOT_PIXEL_FORMAT_RGB8};
    frame.width = frame.height = 32;
    frame.pixels = pixels;
    frame.bytes = sizeof pixels;
    offshoot_embedding cells = room(codes, sizeof codes);
    OK(offshoot_extractor_embed(extractor, &frame, &cells));
    return cells;
}

static void places(offshoot_extractor extractor) {
    static const int taught[5][2] = {{2, 4}, {16, 8}, {8, 20}, {22, 22}, {4, 12}};
    static const int asked[2] = {12, 14};
    offshoot_spatial_head head = {0};
    offshoot_good_head good = {0};
    OK(offshoot_spatial_head_new(extractor, 2, &head));
    OK(offshoot_good_head_new(extractor, 0, &good));
    OK(offshoot_spatial_head_add_class(head, "square", NULL));
    for (int i = 0; i < 5; ++i) {
        offshoot_embedding cells = square(extractor, taught[i], "\xdc\xdc\xdc");
        offshoot_mark mark = {.width = 0.25f, .height = 0.25f};
        mark.left = (float)taught[i][0] / 32;
        mark.top = (float)taught[i][1] / 32;
        OK(offshoot_spatial_head_teach(head, &cells, &mark, 1));
        OK(offshoot_spatial_head_fit(head));
        OK(offshoot_good_head_teach(good, &cells));
        if (i > 0) OK(offshoot_good_head_fit(good));
    }
    offshoot_detection found[64];
    size_t count = 0;
    offshoot_embedding cells = square(extractor, asked, "\xdc\xdc\xdc");
    OK(offshoot_spatial_head_find(head, &cells, found, 64, &count));
    for (size_t i = 0; i < count; ++i) {
        const float numbers[] = {found[i].score, found[i].x, found[i].y, found[i].width,
                                 found[i].height};
        printf("found %" PRIu32, found[i].class_id);
        print_bits(numbers, 5);
        printf("\n");
    }
    static float heat[CELLS];
    offshoot_unusual odd = {.size = sizeof odd};
    cells = square(extractor, asked, "\xff\x00\xff");
    OK(offshoot_good_head_look(good, &cells, &odd, heat, CELLS));
    const float numbers[] = {odd.score, odd.threshold, odd.x, odd.y};
    printf("unusual %" PRIu32, odd.is_unusual);
    print_bits(numbers, 4);
    printf(" %016" PRIx64 "\n", digest(heat, sizeof heat));

    offshoot_spatial_head_info info = {.size = sizeof info};
    offshoot_good_head_info good_info = {.size = sizeof good_info};
    OK(offshoot_spatial_head_get_info(head, &info));
    OK(offshoot_good_head_get_info(good, &good_info));
    uint8_t *bytes = malloc(info.encoded_bytes + good_info.encoded_bytes);
    HOLDS(bytes != NULL);
    uint8_t *behind = bytes + info.encoded_bytes;
    OK(offshoot_spatial_head_encode(head, bytes, info.encoded_bytes, NULL));
    OK(offshoot_good_head_encode(good, behind, good_info.encoded_bytes, NULL));
    printf("heads %016" PRIx64, digest(bytes, info.encoded_bytes));
    printf(" %016" PRIx64 "\n", digest(behind, good_info.encoded_bytes));
    free(bytes);
    OK(offshoot_good_head_close(good));
    OK(offshoot_spatial_head_close(head));
}

static void signals(offshoot_extractor extractor) {
    int16_t samples[3 * 26];
    for (int i = 0; i < 3 * 26; ++i) samples[i] = (int16_t)(i * 37 % 2001 - 1000);
    float values[DIM];
    int8_t window[DIM];
    offshoot_signal signal = {.size = sizeof signal, .form = OFFSHOOT_SAMPLE_FORM_INT16};
    signal.samples = samples;
    signal.count = 3 * 16;
    signal.channels = 3;
    offshoot_embedding embedding = room(window, sizeof window);
    OK(offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    for (int i = 0; i < DIM; ++i)
        values[i] = embedding.scale * (float)(window[i] - embedding.zero_point);
    printf("window %016" PRIx64 "\n", digest(values, sizeof values));
    signal.count = 3 * 26;
    embedding = room(values, sizeof values);
    OK(offshoot_extractor_embed_recording(extractor, &signal, &embedding));
    printf("recording %016" PRIx64 "\n", digest(values, sizeof values));
}

int main(int argc, char **argv) {
    HOLDS(argc == 3);
    offshoot_extractor cells = {0}, sensor = {0};
    OK(offshoot_extractor_open(argv[1], NULL, &cells));
    OK(offshoot_extractor_open(argv[2], NULL, &sensor));
    places(cells);
    signals(sensor);
    OK(offshoot_extractor_close(sensor));
    OK(offshoot_extractor_close(cells));
    return 0;
}
