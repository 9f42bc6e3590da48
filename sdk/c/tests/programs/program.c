/* Every function from C, in order and misused. Arguments: tiny package, other package, a folder. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <offshoot.h>

#include "check.h"

static uint8_t shade(unsigned class_id, unsigned i) {
    return (uint8_t)(class_id == 0 ? 20 + 5 * i : 235 - 5 * i);
}

/* A frame of one shade. */
static offshoot_frame grey(uint8_t *pixels, uint8_t value) {
    offshoot_frame frame = {.size = sizeof frame, .format = OFFSHOOT_PIXEL_FORMAT_GRAY8};
    memset(pixels, value, 64);
    frame.width = 8;
    frame.height = 8;
    frame.pixels = pixels;
    frame.bytes = 64;
    return frame;
}

static unsigned char *whole(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    HOLDS(file != NULL && fseek(file, 0, SEEK_END) == 0);
    *length = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*length);
    HOLDS(bytes != NULL && fread(bytes, 1, *length, file) == *length);
    fclose(file);
    return bytes;
}

static void open_and_close(const char *tiny) {
    offshoot_options options = {.size = sizeof options, .threads = 2, .isa = "generic"};
    offshoot_extractor first = {0}, second = {0}, third = {0}, none = {0};
    size_t length = 0;
    unsigned char *bytes = whole(tiny, &length);
    OK(offshoot_extractor_open(tiny, &options, &first));
    OK(offshoot_extractor_open_bytes(bytes, length, NULL, &second));
    OK(offshoot_extractor_open_static(bytes, length, &third));
    HOLDS(first.id != second.id && second.id != third.id);

    offshoot_extractor_info info = {.size = sizeof info};
    OK(offshoot_extractor_get_info(first, &info));
    HOLDS(info.dim == 10 && info.embedding_bytes == 10 && info.threads == 2);
    HOLDS(strcmp(info.isa, "generic") == 0);
    char source[64];
    OK(offshoot_extractor_source(first, source, sizeof source, &length));
    HOLDS(strlen(source) == length);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL, offshoot_extractor_source(first, source, length, NULL));
    offshoot_verification verification = {.size = sizeof verification};
    OK(offshoot_extractor_verify(second, &verification));
    HOLDS(verification.vectors == 1);

    bytes[200] ^= 1;
    GIVES(OFFSHOOT_STATUS_PACKAGE,
          offshoot_extractor_open_bytes(bytes, info.package_bytes, NULL, &none));
    bytes[200] ^= 1;
    GIVES(OFFSHOOT_STATUS_IO, offshoot_extractor_open("absent.offshoot", NULL, &none));
    HOLDS(strstr(offshoot_last_error(), "absent.offshoot: ") == offshoot_last_error());
    HOLDS(none.id == 0);
    OK(offshoot_extractor_close(third));
    GIVES(OFFSHOOT_STATUS_INVALID_HANDLE, offshoot_extractor_close(third));
    GIVES(OFFSHOOT_STATUS_INVALID_HANDLE, offshoot_extractor_get_info(third, &info));
    OK(offshoot_extractor_close(second));
    OK(offshoot_extractor_close(first));
    free(bytes);
}

static void teach(offshoot_extractor extractor, offshoot_head head) {
    uint8_t pixels[64];
    int8_t values[10];
    uint32_t class_id = 9;
    OK(offshoot_head_add_class(head, "dark", &class_id));
    HOLDS(class_id == 0);
    OK(offshoot_head_add_class(head, "light", NULL));
    GIVES(OFFSHOOT_STATUS_CLASS_EXISTS, offshoot_head_add_class(head, "dark", NULL));
    HOLDS(strstr(offshoot_last_error(), "there is a class `dark`") != NULL);
    GIVES(OFFSHOOT_STATUS_INVALID_UTF8, offshoot_head_add_class(head, "\xff", NULL));
    GIVES(OFFSHOOT_STATUS_CLASS_NAME, offshoot_head_add_class(head, "", NULL));
    for (unsigned i = 0; i < 8; ++i) {
        for (class_id = 0; class_id < 2; ++class_id) {
            offshoot_frame frame = grey(pixels, shade(class_id, i));
            offshoot_embedding embedding = room(values, sizeof values);
            OK(offshoot_extractor_embed(extractor, &frame, &embedding));
            HOLDS(embedding.dim == 10 && embedding.form == OFFSHOOT_EMBEDDING_FORM_INT8);
            OK(offshoot_head_add_sample(head, class_id, &embedding));
        }
    }
}

static void ask(offshoot_extractor extractor, offshoot_head head) {
    uint8_t pixels[64];
    int8_t values[10];
    float probabilities[2], parts[10], weights[20], bias[2], similarity = 0, threshold = 0,
                                                             rest = 0;
    offshoot_frame frame = grey(pixels, 230);
    offshoot_embedding embedding = room(values, sizeof values);
    offshoot_answer answer = {.size = sizeof answer}, same = {.size = sizeof same};
    offshoot_fit fit = {.size = sizeof fit};
    OK(offshoot_extractor_embed(extractor, &frame, &embedding));
    GIVES(OFFSHOOT_STATUS_NOT_FITTED, offshoot_head_classify(head, &embedding, &answer));
    HOLDS(strstr(offshoot_last_error(), "call `fit`") != NULL);
    OK(offshoot_head_fit(head, &fit));
    HOLDS(isfinite(fit.gradient_norm));
    OK(offshoot_head_classify(head, &embedding, &answer));
    HOLDS(answer.known == 1 && answer.class_id == 1 && answer.confidence > 0.5f);
    OK(offshoot_head_probabilities(head, &embedding, probabilities, 2, &same));
    HOLDS(memcmp(&answer, &same, sizeof answer) == 0 && probabilities[1] == answer.confidence);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL,
          offshoot_head_probabilities(head, &embedding, probabilities, 1, NULL));
    OK(offshoot_head_similarity(head, &embedding, &similarity, &threshold));
    HOLDS(similarity > 0.5f && similarity < 1.001f);
    OK(offshoot_head_contributions(head, &embedding, 1, 0, parts, 10, &rest));
    for (int i = 0; i < 10; ++i) rest += parts[i];
    HOLDS(rest > 0);
    offshoot_linear linear = {.size = sizeof linear};
    OK(offshoot_head_linear(head, &linear, weights, 20, bias, 2));
    HOLDS(linear.inverse_temperature > 0);
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL,
          offshoot_head_linear(head, &linear, weights, 19, bias, 2));
    offshoot_recipe recipe = {.size = sizeof recipe};
    OK(offshoot_head_chosen(head, &recipe));
    HOLDS(recipe.kind == OFFSHOOT_HEAD_KIND_RIDGE);
    size_t width = 0, height = 0;
    GIVES(OFFSHOOT_STATUS_NO_MAP,
          offshoot_extractor_activations(extractor, head, 1, NULL, 0, &width, &height));
}

static void report(offshoot_head head) {
    offshoot_report all = {.size = sizeof all};
    offshoot_class_report one = {.size = sizeof one};
    uint32_t count = 0, asked = 0, said = 0;
    float share = 0;
    OK(offshoot_head_report(head, &all));
    HOLDS(all.asked == 16 && all.low <= all.accuracy && all.accuracy <= all.high);
    OK(offshoot_head_report_class(head, 0, &one));
    HOLDS(one.asked == 8 && one.right <= 8);
    OK(offshoot_head_report_confusion(head, 0, 0, &count));
    HOLDS(count == one.right);
    OK(offshoot_head_report_sample(head, 0, &asked, &said, &share));
    HOLDS(asked == 1 && said < 2 && share >= 0.5f);
    OK(offshoot_head_recall(head, 0, 0, &share));
    HOLDS(share == (float)one.right / (float)one.asked);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_head_recall(head, 2, 0, &share));
    GIVES(OFFSHOOT_STATUS_NULL_POINTER, offshoot_head_wake_threshold(head, 0, 100, NULL));
    OK(offshoot_head_wake_threshold(head, 0, 100, &share));
    HOLDS(isnan(share) || (share >= 0 && share <= 1));
    char advice[200];
    for (uint32_t i = 0; i < all.advice; ++i) {
        OK(offshoot_head_report_advice(head, i, advice, sizeof advice, NULL));
    }
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE,
          offshoot_head_report_advice(head, all.advice, advice, sizeof advice, NULL));
}

static void keep(offshoot_extractor extractor, offshoot_extractor other, offshoot_head head,
                 const char *folder) {
    char path[512];
    snprintf(path, sizeof path, "%s/things.head", folder);
    offshoot_head_info info = {.size = sizeof info}, again = {.size = sizeof again};
    offshoot_head loaded = {0}, read = {0}, decoded = {0}, none = {0};
    OK(offshoot_head_save(head, path));
    OK(offshoot_head_load(path, extractor, &loaded));
    OK(offshoot_head_read(path, &read));
    GIVES(OFFSHOOT_STATUS_OTHER_PACKAGE, offshoot_head_load(path, other, &none));
    OK(offshoot_head_get_info(head, &info));
    HOLDS(info.samples == 16 && info.classes == 2 && info.max_classes == 4 && info.is_fitted == 1);
    uint8_t *bytes = malloc(info.encoded_bytes);
    size_t length = 0;
    OK(offshoot_head_encode(head, bytes, info.encoded_bytes, &length));
    HOLDS(length == info.encoded_bytes);
    OK(offshoot_head_decode(bytes, length, extractor, &decoded));
    bytes[40] ^= 1;
    GIVES(OFFSHOOT_STATUS_HEAD_DAMAGED, offshoot_head_decode(bytes, length, extractor, &none));
    GIVES(OFFSHOOT_STATUS_BUFFER_TOO_SMALL, offshoot_head_encode(head, bytes, 3, NULL));
    free(bytes);
    OK(offshoot_head_merge(decoded, read));
    OK(offshoot_head_get_info(decoded, &again));
    HOLDS(again.samples == 32 && again.classes == 2);
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_head_merge(read, read));
    OK(offshoot_head_close(decoded));
    OK(offshoot_head_close(read));
    OK(offshoot_head_close(loaded));
    GIVES(OFFSHOOT_STATUS_INVALID_HANDLE, offshoot_head_save(loaded, path));
    remove(path);
}

static void correct(offshoot_head head) {
    uint32_t class_id = 9;
    int8_t values[10];
    offshoot_embedding embedding = room(values, sizeof values);
    offshoot_class_info info = {.size = sizeof info};
    OK(offshoot_head_get_sample(head, 0, &class_id, &embedding));
    HOLDS(class_id == 0 && embedding.dim == 10);
    OK(offshoot_head_undo(head, &class_id));
    HOLDS(class_id == 1);
    OK(offshoot_head_remove_sample(head, 0, &class_id));
    HOLDS(class_id == 0);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_SAMPLE, offshoot_head_remove_sample(head, 14, NULL));
    OK(offshoot_head_rename_class(head, 1, "bright"));
    OK(offshoot_head_class_named(head, "bright", &class_id));
    HOLDS(class_id == 1);
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_head_class_named(head, "light", &class_id));
    HOLDS(strstr(offshoot_last_error(), "no class `light`") != NULL);
    OK(offshoot_head_get_class(head, 1, &info));
    HOLDS(strcmp(info.name, "bright") == 0 && info.samples == 7 && info.shown == 7);
    OK(offshoot_head_forget_left_out(head));
    OK(offshoot_head_remove_class(head, 0));
    GIVES(OFFSHOOT_STATUS_NO_SUCH_CLASS, offshoot_head_remove_class(head, 1));
    OK(offshoot_head_set_inverse_l2(head, 10));
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_head_set_inverse_l2(head, -1));
    OK(offshoot_head_set_transform(head, OFFSHOOT_TRANSFORM_UNIT));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_head_set_transform(head, 4));
    OK(offshoot_head_set_false_rejection_rate(head, 0));
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_head_set_false_rejection_rate(head, (float)NAN));
    OK(offshoot_head_set_when_full(head, OFFSHOOT_WHEN_FULL_REFUSE));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_head_set_when_full(head, 3));
}

static void images_and_texts(offshoot_extractor extractor) {
    static const char header[] = "P5 8 8 255\n";
    uint8_t file[sizeof header - 1 + 64];
    int8_t values[10], same[10];
    uint32_t ids[2] = {1, 2}, kind = 0;
    memcpy(file, header, sizeof header - 1);
    offshoot_frame frame = grey(file + sizeof header - 1, 77);
    offshoot_embedding image = room(values, sizeof values), raw = room(same, sizeof same);
    OK(offshoot_extractor_embed_image(extractor, file, sizeof file, &image));
    OK(offshoot_extractor_embed(extractor, &frame, &raw));
    HOLDS(memcmp(values, same, sizeof same) == 0 && image.scale == raw.scale);
    GIVES(OFFSHOOT_STATUS_OTHER_INPUT, offshoot_extractor_embed_tokens(extractor, ids, 2, &raw));
    OK(offshoot_head_kind_named("auto", &kind));
    HOLDS(kind == OFFSHOOT_HEAD_KIND_AUTO);
    GIVES(OFFSHOOT_STATUS_HEAD_KIND, offshoot_head_kind_named("tree", &kind));
}

/* Asks the same head as others do, with an extractor that others use, too. */
struct shared {
    offshoot_extractor extractor;
    offshoot_head head;
};

static void *asker(void *argument) {
    const struct shared *shared = argument;
    for (unsigned i = 0; i < 200; ++i) {
        uint8_t pixels[64];
        int8_t values[10];
        offshoot_frame frame = grey(pixels, shade(i % 2, i % 8));
        offshoot_embedding embedding = room(values, sizeof values);
        offshoot_answer answer = {.size = sizeof answer};
        if (offshoot_extractor_embed(shared->extractor, &frame, &embedding) != OFFSHOOT_STATUS_OK)
            return "embed";
        if (offshoot_head_classify(shared->head, &embedding, &answer) != OFFSHOOT_STATUS_OK)
            return "classify";
        if (answer.class_id != i % 2) return "another frame's answer";
    }
    return NULL;
}

static void threads(offshoot_extractor extractor, offshoot_head head) {
    struct shared shared = {extractor, head};
    pthread_t ids[3];
    for (int i = 0; i < 3; ++i) HOLDS(pthread_create(&ids[i], NULL, asker, &shared) == 0);
    for (int i = 0; i < 3; ++i) {
        void *fault = NULL;
        HOLDS(pthread_join(ids[i], &fault) == 0);
        if (fault != NULL) fail(__LINE__, fault);
    }
}

int main(int argc, char **argv) {
    HOLDS(argc == 4);
    HOLDS(strlen(offshoot_version()) >= 5 && offshoot_last_error()[0] == 0);
    HOLDS(strcmp(offshoot_status_name(OFFSHOOT_STATUS_FULL), "full") == 0);
    HOLDS(strcmp(offshoot_status_name(-5), "unknown status") == 0);
    open_and_close(argv[1]);

    offshoot_extractor extractor = {0}, other = {0};
    offshoot_head head = {0};
    OK(offshoot_extractor_open(argv[1], NULL, &extractor));
    OK(offshoot_extractor_open(argv[2], NULL, &other));
    OK(offshoot_head_new(extractor, OFFSHOOT_HEAD_KIND_RIDGE, 4, 40, &head));
    GIVES(OFFSHOOT_STATUS_INVALID_VALUE, offshoot_head_new(extractor, 99, 4, 40, &head));
    GIVES(OFFSHOOT_STATUS_HEAD_SETTINGS, offshoot_head_new(extractor, 0, 4, 0, &head));
    teach(extractor, head);
    ask(extractor, head);
    threads(extractor, head);
    report(head);
    keep(extractor, other, head, argv[3]);
    correct(head);
    images_and_texts(extractor);
    OK(offshoot_head_close(head));
    OK(offshoot_extractor_close(other));
    OK(offshoot_extractor_close(extractor));
    printf("C: %d calls as they must be\n", calls);
    return 0;
}
