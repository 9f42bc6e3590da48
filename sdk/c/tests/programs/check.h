/* Calls that must give what a test says; for the programs in C beside it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <offshoot.h>

static int calls = 0;

static void fail(int line, const char *what) {
    fprintf(stderr, "%s:%d: %s (%s)\n", __BASE_FILE__, line, what, offshoot_last_error());
    exit(1);
}

#define GIVES(status, call)                                                      \
    do {                                                                         \
        ++calls;                                                                 \
        if ((call) != (status)) fail(__LINE__, #call " does not give " #status); \
    } while (0)
#define OK(call) GIVES(OFFSHOOT_STATUS_OK, call)
#define HOLDS(condition)                              \
    do {                                              \
        if (!(condition)) fail(__LINE__, #condition); \
    } while (0)

/* An embedding to be written to `values`. */
static offshoot_embedding room(void *values, size_t bytes) {
    offshoot_embedding embedding = {.size = sizeof embedding, .values = values, .bytes = bytes};
    return embedding;
}
