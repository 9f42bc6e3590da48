/* Teaches two classes by an image each, and asks: first_lesson PACKAGE MUG PLANT WHAT_IS_THIS */
#include <offshoot.h>
#include <stdio.h>
#include <stdlib.h>

static void check(offshoot_status status) {
    if (status != OFFSHOOT_STATUS_OK) {
        fprintf(stderr, "error: %s\n", offshoot_last_error());
        exit(1);
    }
}

static void embed(offshoot_extractor extractor, const char *path, offshoot_embedding *embedding) {
    static unsigned char file[1 << 22];
    FILE *stream = fopen(path, "rb");
    size_t length = stream ? fread(file, 1, sizeof file, stream) : 0;
    if (stream) fclose(stream);
    check(offshoot_extractor_embed_image(extractor, file, length, embedding));
}

int main(int argc, char **argv) {
    const char *names[] = {"mug", "plant"};
    offshoot_extractor extractor;
    offshoot_head head;
    if (argc != 5) return 2;
    check(offshoot_extractor_open(argv[1], NULL, &extractor));
    check(offshoot_head_new(extractor, OFFSHOOT_HEAD_KIND_AUTO, 8, 64, &head));
    offshoot_extractor_info info = {.size = sizeof info};
    check(offshoot_extractor_get_info(extractor, &info));
    offshoot_embedding embedding = {.size = sizeof embedding, .bytes = info.embedding_bytes};
    embedding.values = malloc(embedding.bytes);
    for (uint32_t class_id = 0; class_id < 2; ++class_id) {
        check(offshoot_head_add_class(head, names[class_id], NULL));
        embed(extractor, argv[2 + class_id], &embedding);
        check(offshoot_head_add_sample(head, class_id, &embedding));
    }
    check(offshoot_head_fit(head, NULL));
    embed(extractor, argv[4], &embedding);
    offshoot_answer answer = {.size = sizeof answer};
    check(offshoot_head_classify(head, &embedding, &answer));
    printf("%s, %.0f %%\n", answer.known ? names[answer.class_id] : "nothing I know",
           100 * answer.confidence);
    free(embedding.values);
    check(offshoot_head_close(head));
    check(offshoot_extractor_close(extractor));
    return 0;
}
