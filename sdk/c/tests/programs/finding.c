/* Signals, heads that find objects, and heads of good frames from C, in order and misused.
   Arguments: package of cells, package for signals, other package, a folder. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offshoot.h>

#include "check.h"

#define SIDE 32
#define CODES (16 * 16 * 8)

/* Values of the last frame. */
static int8_t codes[CODES];

/* Cells of a bright square of eight pixels on a dark floor, with its left upper corner at x, y; of
   the floor alone if x is below 0. */
static offshoot_embedding square(offshoot_extractor extractor, int x, int y) {
    static uint8_t pixels[3 * SIDE * SIDE];
    memset(pixels, 40, sizeof pixels);
    for (int row = y; x >= 0 && row < y + 8; ++row) memset(pixels + 3 * (SIDE * row + x), 220, 24);
    offshoot_frame frame = {.size = sizeof frame, .format = OFFSHOOT_PIXEL_FORMAT_RGB8};
    frame.width = frame.height = SIDE;
    frame.pixels = pixels;
    frame.bytes = sizeof pixels;
    offshoot_embedding cells = room(codes, sizeof codes);
    OK(offshoot_extractor_embed(extractor, &frame, &cells));
    HOLDS(cells.dim == CODES);
    return cells;
}

static const int places[5][2] = {{2, 4}, {16, 8}, {8, 20}, {22, 22}, {4, 12}};

static offshoot_mark box(uint32_t class_id, const int *at) {
    offshoot_mark mark = {class_id, (float)at[0] / SIDE, (float)at[1] / SIDE, 0.25f, 0.25f};
    return mark;
}

static void teach(offshoot_extractor extractor, offshoot_extractor other,
                  offshoot_spatial_head head) {
    uint32_t class_id = 9;
    OK(offshoot_spatial_head_add_class(head, "square", &class_id));
    HOLDS(class_id == 0);
    GIVES(OFFSHOOT_STATUS_CLASS_EXISTS, offshoot_spatial_head_add_class(head, "square", NULL));
    HOLDS(strstr(offshoot_last_error(), "`square`") != NULL);
    GIVES(OFFSHOOT_STATUS_CLASS_NAME, offshoot_spatial_head_add_class(head, "", NULL));
    OK(offshoot_spatial_head_add_class(head, "ring", NULL));
    GIVES(OFFSHOOT_STATUS_FULL, offshoot_spatial_head_add_class(head, "third", NULL));
    GIVES(OFFSHOOT_STATUS_CLASS_EXISTS, offshoot_spatial_head_rename_class(head, 1, "square"));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_spatial_head_rename_class(head, 2, "cup"));
    OK(offshoot_spatial_head_rename_class(head, 1, "loop"));
    OK(offshoot_spatial_head_class_named(head, "loop", &class_id));
    OK(offshoot_spatial_head_rename_class(head, class_id, "ring"));
    OK(offshoot_spatial_head_class_named(head, "ring", &class_id));
    HOLDS(class_id == 1);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_spatial_head_class_named(head, "cup", &class_id));

    offshoot_embedding cells = square(extractor, 2, 4);
    GIVES(OFFSHOOT_STATUS_NOTHING_TAUGHT, offshoot_spatial_head_fit(head));
    GIVES(OFFSHOOT_STATUS_NOT_FITTED, offshoot_spatial_head_find(head, &cells, NULL, 0, NULL));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_SAMPLE, offshoot_spatial_head_undo(head));
    for (int i = 0; i < 5; ++i) {
        const offshoot_mark mark = box(0, places[i]);
        cells = square(extractor, places[i][0], places[i][1]);
        OK(offshoot_spatial_head_teach(head, &cells, &mark, 1));
        OK(offshoot_spatial_head_fit(head));
    }
    const offshoot_mark beyond = box(2, places[0]), point = {0, 0.5f, 0.5f, 0, 0};
    offshoot_mark outside = box(0, places[0]);
    outside.width = NAN;
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_spatial_head_teach(head, &cells, &beyond, 1));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_spatial_head_teach(head, &cells, &outside, 1));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_spatial_head_teach(head, &cells, &point, 129));
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_spatial_head_teach(head, &cells, NULL, 1));
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_spatial_head_teach(head, NULL, NULL, 0));
    offshoot_embedding few = cells;
    --few.dim;
    GIVES(OFFSHOOT_STATUS_WRONG_LENGTH, offshoot_spatial_head_teach(head, &few, NULL, 0));
    float values[4] = {0};
    offshoot_embedding floats = room(values, sizeof values);
    floats.form = OFFSHOOT_EMBEDDING_FORM_FLOAT;
    floats.dim = 4;
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_spatial_head_teach(head, &floats, NULL, 0));
    offshoot_spatial_head none = {0};
    GIVES(OFFSHOOT_STATUS_NO_CELLS, offshoot_spatial_head_new(other, 2, &none));
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_spatial_head_new(extractor, 0, &none));
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_spatial_head_new(extractor, 1000, &none));
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_spatial_head_new(extractor, 2, NULL));
    HOLDS(none.id == 0);
}

static void find(offshoot_extractor extractor, offshoot_spatial_head head) {
    offshoot_detection found[4];
    size_t count = 9;
    offshoot_embedding cells = square(extractor, 12, 14);
    OK(offshoot_spatial_head_find(head, &cells, found, 4, &count));
    HOLDS(count == 1 && found[0].class_id == 0 && found[0].score > 0.5f);
    HOLDS(fabsf(found[0].x - 0.5f) < 0.0625f && fabsf(found[0].y - 0.5625f) < 0.0625f);
    HOLDS(fabsf(found[0].width - 0.25f) < 0.1f);
    OK(offshoot_spatial_head_find(head, &cells, NULL, 0, &count));
    HOLDS(count == 1);
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_spatial_head_find(head, &cells, NULL, 1, &count));
    const int at[2] = {12, 14};
    const offshoot_mark mark = box(0, at);
    OK(offshoot_spatial_head_test(head, &cells, &mark, 1));
    offshoot_spatial_class info = {.size = sizeof info};
    OK(offshoot_spatial_head_get_class(head, 0, &info));
    HOLDS(strcmp(info.name, "square") == 0 && info.objects == 5 && info.is_tested == 1);
    HOLDS(info.tested >= 5 && info.recall > 0 && fabsf(info.width - 0.25f) < 1e-3f);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_spatial_head_get_class(head, 2, &info));
    info.size = 3;
    GIVES(OFFSHOOT_STATUS_INVALID_SIZE, offshoot_spatial_head_get_class(head, 0, &info));
}

static void keep(offshoot_extractor extractor, offshoot_extractor other, offshoot_spatial_head head,
                 const char *folder) {
    char path[512];
    snprintf(path, sizeof path, "%s/squares.cells", folder);
    offshoot_spatial_head loaded = {0}, decoded = {0}, none = {0};
    offshoot_spatial_head_info info = {.size = sizeof info};
    OK(offshoot_spatial_head_save(head, path));
    OK(offshoot_spatial_head_load(path, extractor, &loaded));
    GIVES(OFFSHOOT_STATUS_OTHER_PACKAGE, offshoot_spatial_head_load(path, other, &none));
    remove(path);
    GIVES(OFFSHOOT_STATUS_IO, offshoot_spatial_head_load(path, extractor, &none));
    find(extractor, loaded);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_SAMPLE, offshoot_spatial_head_undo(loaded));
    OK(offshoot_spatial_head_get_info(head, &info));
    HOLDS(info.classes == 2 && info.max_classes == 2 && info.lessons == 5 && info.is_fitted == 1);
    size_t length = 0;
    uint8_t *bytes = malloc(info.encoded_bytes);
    OK(offshoot_spatial_head_encode(head, bytes, info.encoded_bytes, &length));
    HOLDS(length == info.encoded_bytes);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL, offshoot_spatial_head_encode(head, bytes, 3, &length));
    OK(offshoot_spatial_head_decode(bytes, length, extractor, &decoded));
    bytes[60] ^= 1;
    GIVES(OFFSHOOT_STATUS_HEAD_DAMAGED,
          offshoot_spatial_head_decode(bytes, length, extractor, &none));
    free(bytes);
    OK(offshoot_spatial_head_merge(decoded, loaded));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_spatial_head_merge(decoded, decoded));
    OK(offshoot_spatial_head_get_info(decoded, &info));
    HOLDS(info.lessons == 10);
    OK(offshoot_spatial_head_forget(decoded, 0));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_spatial_head_forget(decoded, 1));
    OK(offshoot_spatial_head_undo(head));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_SAMPLE, offshoot_spatial_head_undo(head));
    OK(offshoot_spatial_head_close(decoded));
    OK(offshoot_spatial_head_close(loaded));
    GIVES(OFFSHOOT_STATUS_INVALID_HANDLE, offshoot_spatial_head_close(loaded));
}

static void fixed_camera(offshoot_extractor extractor, offshoot_spatial_head late) {
    offshoot_spatial_head head = {0};
    float share = 9;
    offshoot_embedding cells = square(extractor, -1, 0);
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_spatial_head_set_reference(late, &cells));
    OK(offshoot_spatial_head_changed(late, &cells, &share));
    HOLDS(isnan(share));
    OK(offshoot_spatial_head_new(extractor, 1, &head));
    OK(offshoot_spatial_head_set_reference(head, &cells));
    OK(offshoot_spatial_head_changed(head, &cells, &share));
    HOLDS(share == 0);
    cells = square(extractor, 8, 8);
    OK(offshoot_spatial_head_changed(head, &cells, &share));
    HOLDS(share > 0 && share < 0.5f);
    GIVES(OFFSHOOT_STATUS_OTHER_PACKAGE, offshoot_spatial_head_merge(head, late));
    OK(offshoot_spatial_head_close(head));
}

static void good(offshoot_extractor extractor, offshoot_extractor other, const char *folder) {
    char path[512];
    snprintf(path, sizeof path, "%s/floor.good", folder);
    offshoot_good_head head = {0}, loaded = {0}, decoded = {0}, none = {0};
    offshoot_good_head_info info = {.size = sizeof info};
    offshoot_unusual unusual = {.size = sizeof unusual};
    static float heat[256];
    GIVES(OFFSHOOT_STATUS_NO_CELLS, offshoot_good_head_new(other, 0, &none));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_good_head_new(extractor, 2, &none));
    OK(offshoot_good_head_new(extractor, 0, &head));
    offshoot_embedding cells = square(extractor, 2, 4);
    GIVES(OFFSHOOT_STATUS_NOTHING_TAUGHT, offshoot_good_head_fit(head));
    GIVES(OFFSHOOT_STATUS_NOT_FITTED, offshoot_good_head_look(head, &cells, &unusual, NULL, 0));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_SAMPLE, offshoot_good_head_undo(head));
    for (int i = 0; i < 5; ++i) {
        cells = square(extractor, places[i][0], places[i][1]);
        OK(offshoot_good_head_teach(head, &cells));
        if (i > 0) OK(offshoot_good_head_fit(head));
    }
    OK(offshoot_good_head_test(head, &cells));
    OK(offshoot_good_head_get_info(head, &info));
    HOLDS(info.lessons == 5 && info.is_fitted == 1 && info.is_fixed == 0 && info.rows == 16 &&
          info.columns == 16);
    HOLDS(info.threshold > 0);
    OK(offshoot_good_head_look(head, &cells, &unusual, heat, 256));
    HOLDS(unusual.is_unusual == 0 && unusual.threshold == info.threshold);
    HOLDS(heat[16 * unusual.row + unusual.column] == unusual.score);
    OK(offshoot_good_head_save(head, path));
    OK(offshoot_good_head_load(path, extractor, &loaded));
    GIVES(OFFSHOOT_STATUS_OTHER_PACKAGE, offshoot_good_head_load(path, other, &none));
    remove(path);
    /* A cell as none was before. */
    memset(codes + 8 * (16 * 5 + 3), 127, 8);
    OK(offshoot_good_head_look(loaded, &cells, &unusual, NULL, 0));
    /* Cells see their neighbourhood. */
    HOLDS(unusual.is_unusual == 1 && abs((int)unusual.row - 5) <= 3);
    HOLDS(abs((int)unusual.column - 3) <= 3);
    HOLDS(unusual.x == (float)(4 * unusual.column + 1) / 64);
    HOLDS(unusual.y == (float)(4 * unusual.row + 1) / 64);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL,
          offshoot_good_head_look(loaded, &cells, &unusual, heat, 255));
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_good_head_look(loaded, &cells, NULL, NULL, 0));
    --cells.dim;
    GIVES(OFFSHOOT_STATUS_WRONG_LENGTH, offshoot_good_head_look(loaded, &cells, &unusual, NULL, 0));
    size_t length = 0;
    uint8_t *bytes = malloc(info.encoded_bytes);
    OK(offshoot_good_head_encode(head, bytes, info.encoded_bytes, &length));
    OK(offshoot_good_head_decode(bytes, length, extractor, &decoded));
    bytes[70] ^= 1;
    GIVES(OFFSHOOT_STATUS_HEAD_DAMAGED, offshoot_good_head_decode(bytes, length, extractor, &none));
    free(bytes);
    OK(offshoot_good_head_undo(head));
    OK(offshoot_good_head_close(decoded));
    OK(offshoot_good_head_close(loaded));
    OK(offshoot_good_head_close(head));
    GIVES(OFFSHOOT_STATUS_INVALID_HANDLE, offshoot_good_head_undo(head));
}

static void sense(offshoot_extractor extractor, offshoot_extractor pictures) {
    enum { CHANNELS = 3, WINDOW = 16, PLACES = 26, DIM = 12 };
    int16_t samples[CHANNELS * PLACES];
    float real[CHANNELS * PLACES], mean[DIM], sum[DIM] = {0};
    int8_t of_int16[DIM], of_float[DIM];
    offshoot_sensor_info info = {.size = sizeof info};
    OK(offshoot_extractor_get_sensor(pictures, &info));
    HOLDS(info.channels == 0 && info.places == 0);
    OK(offshoot_extractor_get_sensor(extractor, &info));
    HOLDS(info.channels == CHANNELS && info.places == WINDOW && info.step == 5);
    HOLDS(info.rate == 50 && info.unit == 0.5f && info.is_sound == 0);
    for (int i = 0; i < CHANNELS * PLACES; ++i) {
        samples[i] = (int16_t)(i * 37 % 2001 - 1000);
        real[i] = samples[i] * info.unit;
    }
    offshoot_signal signal = {.size = sizeof signal, .form = OFFSHOOT_SAMPLE_FORM_INT16};
    signal.samples = samples;
    signal.count = CHANNELS * WINDOW;
    signal.channels = CHANNELS;
    offshoot_embedding embedding = room(of_int16, sizeof of_int16);
    OK(offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    HOLDS(embedding.dim == DIM && embedding.form == OFFSHOOT_EMBEDDING_FORM_INT8);
    offshoot_signal floats = signal;
    floats.form = OFFSHOOT_SAMPLE_FORM_FLOAT;
    /* The mean of its three windows. */
    for (int start = 0; start <= PLACES - WINDOW; start += 5) {
        floats.samples = real + CHANNELS * start;
        embedding = room(of_float, sizeof of_float);
        OK(offshoot_extractor_embed_signal(extractor, &floats, &embedding));
        HOLDS(start > 0 || memcmp(of_int16, of_float, sizeof of_float) == 0);
        for (int i = 0; i < DIM; ++i)
            sum[i] += embedding.scale * (float)(of_float[i] - embedding.zero_point);
    }
    signal.count = CHANNELS * PLACES;
    embedding = room(mean, sizeof mean);
    OK(offshoot_extractor_embed_recording(extractor, &signal, &embedding));
    HOLDS(embedding.dim == DIM && embedding.form == OFFSHOOT_EMBEDDING_FORM_FLOAT);
    for (int i = 0; i < DIM; ++i) HOLDS(mean[i] == sum[i] / 3);

    embedding = room(mean, sizeof mean);
    GIVES(OFFSHOOT_STATUS_SIGNAL, offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    signal.count = CHANNELS * WINDOW - 1;
    GIVES(OFFSHOOT_STATUS_SIGNAL, offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    signal.count = CHANNELS * WINDOW;
    signal.channels = 4;
    GIVES(OFFSHOOT_STATUS_SIGNAL, offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    signal.channels = 0;
    GIVES(OFFSHOOT_STATUS_SIGNAL, offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    signal.channels = CHANNELS;
    signal.form = 3;
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE,
          offshoot_extractor_embed_signal(extractor, &signal, &embedding));
    real[4] = (float)INFINITY;
    floats.samples = real;
    GIVES(OFFSHOOT_STATUS_SIGNAL, offshoot_extractor_embed_signal(extractor, &floats, &embedding));
    floats.samples = NULL;
    GIVES(OFFSHOOT_STATUS_NULL_POINTER,
          offshoot_extractor_embed_signal(extractor, &floats, &embedding));
    floats.samples = (const char *)real + 1;
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE,
          offshoot_extractor_embed_signal(extractor, &floats, &embedding));
    embedding = room(of_int16, sizeof of_int16);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL,
          offshoot_extractor_embed_recording(extractor, &signal, &embedding));
    embedding = room(mean, sizeof mean);
    GIVES(OFFSHOOT_STATUS_OTHER_INPUT,
          offshoot_extractor_embed_samples(extractor, samples, 48, &embedding));
    signal.form = OFFSHOOT_SAMPLE_FORM_INT16;
    embedding = room(codes, sizeof codes);
    GIVES(OFFSHOOT_STATUS_OTHER_INPUT,
          offshoot_extractor_embed_signal(pictures, &signal, &embedding));
}

int main(int argc, char **argv) {
    HOLDS(argc == 5);
    offshoot_extractor extractor = {0}, sensor = {0}, other = {0};
    offshoot_spatial_head head = {0};
    OK(offshoot_extractor_open(argv[1], NULL, &extractor));
    OK(offshoot_extractor_open(argv[2], NULL, &sensor));
    OK(offshoot_extractor_open(argv[3], NULL, &other));
    offshoot_cells_info info = {.size = sizeof info};
    OK(offshoot_extractor_get_cells(extractor, &info));
    HOLDS(info.rows == 16 && info.columns == 16 && info.values == 24 && info.step_x == 0.0625f);
    OK(offshoot_extractor_get_cells(other, &info));
    HOLDS(info.rows == 0);
    OK(offshoot_spatial_head_new(extractor, 2, &head));
    teach(extractor, other, head);
    find(extractor, head);
    keep(extractor, other, head, argv[4]);
    fixed_camera(extractor, head);
    good(extractor, other, argv[4]);
    sense(sensor, extractor);
    OK(offshoot_spatial_head_close(head));
    OK(offshoot_extractor_close(other));
    OK(offshoot_extractor_close(sensor));
    OK(offshoot_extractor_close(extractor));
    printf("C, places and signals: %d calls as they must be\n", calls);
    return 0;
}
