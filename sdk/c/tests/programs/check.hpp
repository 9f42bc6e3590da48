// Conditions that must hold, and calls that must throw; for the programs in C++ beside it.
#pragma once

#include <offshoot.hpp>

#include <cstdio>
#include <cstdlib>

inline void hold(bool condition, int line, const char *text) {
    if (!condition) {
        std::fprintf(stderr, "%s:%d: %s (%s)\n", __BASE_FILE__, line, text, offshoot_last_error());
        std::exit(1);
    }
}
#define HOLDS(...) hold((__VA_ARGS__), __LINE__, #__VA_ARGS__)

/// Whether a call throws an Error of that status.
template <typename Call>
bool throws(offshoot_status status, Call call) {
    try {
        call();
    } catch (const offshoot::Error &error) {
        return error.status() == status && error.what()[0] != 0;
    }
    return false;
}
