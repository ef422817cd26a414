/* Reads the same blocks of holding registers again and again with libmodbus, one after the other.
 * libmodbus_reader PORT SECONDS ADDRESS COUNT [ADDRESS COUNT ...]; prints the milliseconds of each scan, a line each. */
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    float values[MODBUS_MAX_READ_REGISTERS / 2];
    if (argc < 5)
        return 2;
    modbus_t *device = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (device == NULL || modbus_connect(device) == -1)
        return 3;
    double end = now_ms() + atof(argv[2]) * 1e3;
    while (now_ms() < end) {
        double started = now_ms();
        for (int at = 3; at + 1 < argc; at += 2) {
            int count = atoi(argv[at + 1]);
            if (modbus_read_registers(device, atoi(argv[at]), count, words) != count)
                return 4;
            for (int word = 0; word + 1 < count; word += 2)
                values[word / 2] = modbus_get_float_abcd(words + word);
        }
        printf("%.4f\n", now_ms() - started);
    }
    fprintf(stderr, "%f\n", values[0]);
    modbus_close(device);
    modbus_free(device);
    return 0;
}
