/* Embeddings of every pixel format, and answers of every kind of head, in hexadecimal: the lines of
 * examples/digest.rs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offshoot.h>

enum { WIDTH = 32, HEIGHT = 24, CLASSES = 3, SAMPLES = 12 };

static uint64_t state = 7;

/* Knuth's MMIX generator. */
static uint8_t noise(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(state >> 33);
}

static void need(int32_t status) {
    if (status != OFFSHOOT_STATUS_OK) {
        fprintf(stderr, "%s\n", offshoot_last_error());
        exit(1);
    }
}

/* FNV-1a. */
static uint64_t digest(const void *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; ++i)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint8_t pixels[3 * WIDTH * HEIGHT];

static void embed(offshoot_extractor extractor, uint32_t format, offshoot_embedding *embedding) {
    for (size_t i = 0; i < sizeof pixels; ++i) pixels[i] = noise();
    offshoot_frame frame = {
        .size = sizeof frame, .format = format, .width = WIDTH, .height = HEIGHT};
    frame.pixels = pixels;
    frame.bytes = sizeof pixels;
    need(offshoot_extractor_embed(extractor, &frame, embedding));
}

int main(int argc, char **argv) {
    offshoot_extractor extractor = {0};
    need(offshoot_extractor_open(argc > 1 ? argv[1] : "", NULL, &extractor));
    offshoot_extractor_info info = {.size = sizeof info};
    need(offshoot_extractor_get_info(extractor, &info));
    void *values = malloc(info.embedding_bytes);
    offshoot_embedding embedding = {
        .size = sizeof embedding, .values = values, .bytes = info.embedding_bytes};
    for (uint32_t format = 1; format <= 7; ++format) {
        uint32_t scale = 0;
        embed(extractor, format, &embedding);
        memcpy(&scale, &embedding.scale, sizeof scale);
        printf("format %" PRIu32 " %016" PRIx64 " %08" PRIx32 " %" PRId32 "\n", format,
               digest(values, info.embedding_bytes), scale, embedding.zero_point);
    }
    for (uint32_t kind = 0; kind < 6; ++kind) {
        static const char *const names[CLASSES] = {"a", "b", "c"};
        offshoot_head head = {0};
        need(offshoot_head_new(extractor, kind, CLASSES, SAMPLES, &head));
        for (int i = 0; i < CLASSES; ++i) need(offshoot_head_add_class(head, names[i], NULL));
        for (uint32_t i = 0; i < SAMPLES; ++i) {
            embed(extractor, 1 + i % CLASSES, &embedding);
            need(offshoot_head_add_sample(head, i % CLASSES, &embedding));
        }
        need(offshoot_head_fit(head, NULL));
        float probabilities[CLASSES];
        offshoot_answer answer = {.size = sizeof answer};
        embed(extractor, 2, &embedding);
        need(offshoot_head_probabilities(head, &embedding, probabilities, CLASSES, &answer));
        printf("kind %" PRIu32 " %" PRIu32 " %" PRIu32, kind, answer.known, answer.class_id);
        for (int i = 0; i < CLASSES; ++i) {
            uint32_t bits = 0;
            memcpy(&bits, &probabilities[i], sizeof bits);
            printf(" %08" PRIx32, bits);
        }
        printf("\n");
        need(offshoot_head_close(head));
    }
    free(values);
    need(offshoot_extractor_close(extractor));
    return 0;
}
