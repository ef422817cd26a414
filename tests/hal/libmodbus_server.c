/* A Modbus server that no one here wrote, libmodbus's: on a free TCP port, or on a serial port.
 *
 *   libmodbus_server tcp         prints its port
 *   libmodbus_server rtu PATH    prints 0
 *
 * Holding register n says 1000 + n, input register n 2000 + n, coil n whether n is odd, input n whether it is a
 * multiple of 3; each has 400 addresses. It ends with its standard input.
 */
#include <arpa/inet.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rtu = argc == 3 && strcmp(argv[1], "rtu") == 0;
    modbus_t *context = rtu ? modbus_new_rtu(argv[2], 115200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *image = modbus_mapping_new(400, 400, 400, 400);
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    int listener = -1;
    for (int n = 0; n < 400; n++) {
        image->tab_bits[n] = n % 2;
        image->tab_input_bits[n] = n % 3 == 0;
        image->tab_registers[n] = 1000 + n;
        image->tab_input_registers[n] = 2000 + n;
    }
    modbus_set_slave(context, 1);
    if (rtu) {
        if (modbus_connect(context) != 0)
            return 1;
    } else {
        listener = modbus_tcp_listen(context, 1);
        getsockname(listener, (struct sockaddr *)&address, &size);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    if (!rtu)
        modbus_tcp_accept(context, &listener);
    for (;;) {
        unsigned char query[MODBUS_TCP_MAX_ADU_LENGTH];
        struct pollfd waits[2] = {{0, POLLIN, 0}, {modbus_get_socket(context), POLLIN, 0}};
        if (poll(waits, 2, -1) < 0 || waits[0].revents)
            return 0;
        int length = modbus_receive(context, query);
        if (length > 0)
            modbus_reply(context, query, length, image);
        else if (length < 0 && !rtu)
            return 0;
    }
}
