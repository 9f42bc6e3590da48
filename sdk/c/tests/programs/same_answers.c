/* Answers of liboffshoot to the lesson of tests/doors: the lines of sdk/examples/same_answers.rs.
 *   same_answers PACKAGE LESSON KIND */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offshoot.h>

enum { CLASSES = 4, SAMPLES = 20, IMAGES = 32, WORDS = 6, LINE = 256 };

typedef struct {
    char name[LINE];
    offshoot_embedding embedding;
} image;

static offshoot_extractor extractor;
static offshoot_head head;
static size_t embedding_bytes;
static image images[IMAGES];
static size_t image_count;

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static void need(int32_t status) {
    if (status != OFFSHOOT_STATUS_OK) fail(offshoot_last_error());
}

static void *reserve(size_t bytes) {
    void *memory = calloc(bytes, 1);
    if (!memory) fail("no memory");
    return memory;
}

/* FNV-1a. */
static uint64_t digest_on(uint64_t hash, const void *bytes, size_t length) {
    for (size_t i = 0; i < length; ++i)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t digest(const void *bytes, size_t length) {
    return digest_on(UINT64_C(0xcbf29ce484222325), bytes, length);
}

static void print_bits(float value) {
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    printf(" %08" PRIx32, bits);
}

static uint8_t *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    size_t capacity = 1 << 20;
    uint8_t *bytes = reserve(capacity);
    *length = fread(bytes, 1, capacity, file);
    fclose(file);
    return bytes;
}

static const offshoot_embedding *find(const char *name) {
    for (size_t i = 0; i < image_count; ++i)
        if (!strcmp(images[i].name, name)) return &images[i].embedding;
    fail(name);
    return NULL;
}

static uint32_t class_count(void) {
    offshoot_head_info info = {.size = sizeof info};
    need(offshoot_head_get_info(head, &info));
    return info.classes;
}

static offshoot_class_info class_of(uint32_t id) {
    offshoot_class_info info = {.size = sizeof info};
    need(offshoot_head_get_class(head, id, &info));
    return info;
}

static void print_samples(void) {
    for (uint32_t id = 0; id < class_count(); ++id) {
        offshoot_class_info info = class_of(id);
        printf(" %s %" PRIu32, info.name, info.samples);
    }
}

static uint32_t format_named(const char *name) {
    static const char *const names[] = {"rgb", "bgr", "grey", "rgb565", "yuyv", "nv12", "i420"};
    for (uint32_t i = 0; i < 7; ++i)
        if (!strcmp(names[i], name)) return i + 1;
    fail(name);
    return 0;
}

static void read_image(char words[WORDS][LINE]) {
    image *made = &images[image_count++];
    if (image_count > IMAGES) fail("too many images");
    strcpy(made->name, words[1]);
    made->embedding = (offshoot_embedding){.size = sizeof made->embedding};
    made->embedding.values = reserve(embedding_bytes);
    made->embedding.bytes = embedding_bytes;
    size_t length = 0;
    uint8_t *bytes = read_file(words[5], &length);
    if (!strcmp(words[2], "file")) {
        need(offshoot_extractor_embed_image(extractor, bytes, length, &made->embedding));
    } else {
        offshoot_frame frame = {.size = sizeof frame, .format = format_named(words[2])};
        frame.width = (uint32_t)atoi(words[3]);
        frame.height = (uint32_t)atoi(words[4]);
        frame.pixels = bytes;
        frame.bytes = length;
        need(offshoot_extractor_embed(extractor, &frame, &made->embedding));
    }
    free(bytes);
    uint64_t hash = digest(NULL, 0);
    for (size_t i = 0; i < made->embedding.dim; ++i) {
        int code = ((const int8_t *)made->embedding.values)[i] - made->embedding.zero_point;
        float value = made->embedding.scale * (float)code;
        hash = digest_on(hash, &value, sizeof value);
    }
    printf(" %016" PRIx64, hash);
}

static void teach(const char *name, const char *image_name) {
    uint32_t id = 0;
    if (offshoot_head_class_named(head, name, &id) != OFFSHOOT_STATUS_OK)
        need(offshoot_head_add_class(head, name, &id));
    need(offshoot_head_add_sample(head, id, find(image_name)));
    print_samples();
}

static void undo(void) {
    uint32_t id = 0;
    need(offshoot_head_undo(head, &id));
    offshoot_class_info info = class_of(id);
    if (info.samples == 0) need(offshoot_head_remove_class(head, id));
    printf(" %s", info.name);
    print_samples();
}

static void forget(const char *name) {
    uint32_t id = 0;
    need(offshoot_head_class_named(head, name, &id));
    need(offshoot_head_remove_class(head, id));
    print_samples();
}

static void classify(const char *image_name) {
    float shares[CLASSES] = {0};
    offshoot_answer answer = {.size = sizeof answer};
    need(offshoot_head_fit(head, NULL));
    need(offshoot_head_probabilities(head, find(image_name), shares, CLASSES, &answer));
    printf(" %s %s", answer.known ? "is" : "unlike", class_of(answer.class_id).name);
    print_bits(answer.confidence);
    for (uint32_t id = 0; id < class_count(); ++id) print_bits(shares[id]);
}

static void report(void) {
    offshoot_report found = {.size = sizeof found};
    need(offshoot_head_fit(head, NULL));
    need(offshoot_head_report(head, &found));
    printf(" %" PRIu32 " of %" PRIu32, found.right, found.asked);
    for (uint32_t own = 0; own < class_count(); ++own) {
        for (uint32_t said = 0; said < class_count(); ++said) {
            uint32_t count = 0;
            need(offshoot_head_report_confusion(head, own, said, &count));
            printf(" %" PRIu32, count);
        }
    }
    float interval[] = {found.low, found.high};
    uint64_t advice = digest(NULL, 0);
    for (size_t i = 0; i < found.advice; ++i) {
        char text[1024];
        size_t length = 0;
        need(offshoot_head_report_advice(head, i, text, sizeof text, &length));
        advice = digest_on(advice, text, length);
    }
    printf(" %016" PRIx64 " %016" PRIx64, digest(interval, sizeof interval), advice);
}

static void save(void) {
    offshoot_head_info info = {.size = sizeof info};
    need(offshoot_head_get_info(head, &info));
    uint8_t *bytes = reserve(info.encoded_bytes);
    size_t length = 0;
    need(offshoot_head_encode(head, bytes, info.encoded_bytes, &length));
    printf(" %zu %016" PRIx64, length, digest(bytes, length));
    free(bytes);
}

static void step(char words[WORDS][LINE]) {
    if (!strcmp(words[0], "image")) read_image(words);
    else if (!strcmp(words[0], "teach")) teach(words[1], words[2]);
    else if (!strcmp(words[0], "undo")) undo();
    else if (!strcmp(words[0], "forget")) forget(words[1]);
    else if (!strcmp(words[0], "classify")) classify(words[1]);
    else if (!strcmp(words[0], "report")) report();
    else if (!strcmp(words[0], "save")) save();
    else fail(words[0]);
}

int main(int argc, char **argv) {
    if (argc != 4) fail("usage: same_answers PACKAGE LESSON KIND");
    need(offshoot_extractor_open(argv[1], NULL, &extractor));
    offshoot_extractor_info info = {.size = sizeof info};
    need(offshoot_extractor_get_info(extractor, &info));
    embedding_bytes = info.embedding_bytes;
    uint32_t kind = 0;
    need(offshoot_head_kind_named(argv[3], &kind));
    need(offshoot_head_new(extractor, kind, CLASSES, SAMPLES, &head));
    FILE *lesson = fopen(argv[2], "r");
    if (!lesson) fail(argv[2]);
    char line[LINE];
    while (fgets(line, sizeof line, lesson)) {
        char words[WORDS][LINE] = {{0}};
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 0 || line[0] == '#') continue;
        /* A word is no longer than its line. */
        sscanf(line, "%s %s %s %s %s %s", words[0], words[1], words[2], words[3], words[4], words[5]);
        printf("%s:", line);
        step(words);
        printf("\n");
    }
    fclose(lesson);
    for (size_t i = 0; i < image_count; ++i) free(images[i].embedding.values);
    need(offshoot_head_close(head));
    need(offshoot_extractor_close(extractor));
    return 0;
}
