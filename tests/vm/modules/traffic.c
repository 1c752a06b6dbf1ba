/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Adds a port to openvswitch and a connection to nf_conntrack, and writes what a reader
 * should have seen of both:
 *
 *   traffic PORT       a number below 65535 that was not used yet
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD 1000

static int netlink;
static char message[4096];
static struct nlmsghdr *const header = (void *)message;

static void start(int family, int command, int version)
{
	struct genlmsghdr *generic = NLMSG_DATA(header);

	memset(message, 0, sizeof(message));
	header->nlmsg_type = family;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	generic->cmd = command;
	generic->version = version;
}

static void put(const void *data, int len)
{
	memcpy(message + header->nlmsg_len, data, len);
	header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len + len);
}

static void attribute(int type, const void *data, int len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	put(&attr, sizeof(attr));
	put(data, len);
}

/* Leaves the answer before the acknowledgement in `message`. */
static void ask(const char *what)
{
	char answer[4096];
	struct nlmsghdr *next = (void *)answer;

	if (send(netlink, message, header->nlmsg_len, 0) < 0)
		err(1, "%s", what);
	for (;;) {
		ssize_t len = recv(netlink, answer, sizeof(answer), 0);

		if (len < (ssize_t)sizeof(*next))
			err(1, "%s", what);
		if (next->nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr *error = NLMSG_DATA(next);

			if (error->error)
				errx(1, "%s: %s", what, strerror(-error->error));
			return;
		}
		memcpy(message, answer, len);
	}
}

static int family(const char *name)
{
	start(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	attribute(CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	ask(name);
	int at = NLMSG_LENGTH(GENL_HDRLEN), end = header->nlmsg_len;

	while (at + NLA_HDRLEN <= end) {
		struct nlattr *attr = (void *)(message + at);

		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(unsigned short *)(message + at + NLA_HDRLEN);
		at += NLA_ALIGN(attr->nla_len);
	}
	errx(1, "%s: no such family", name);
}

static int add_port(unsigned int number)
{
	struct ovs_header datapath = { 0 };
	unsigned int nobody = 0, internal = OVS_VPORT_TYPE_INTERNAL;
	char name[16], port[16];

	snprintf(name, sizeof(name), "dp%u", number);
	snprintf(port, sizeof(port), "port%u", number);
	start(family(OVS_DATAPATH_FAMILY), OVS_DP_CMD_NEW, OVS_DATAPATH_VERSION);
	put(&datapath, sizeof(datapath));
	attribute(OVS_DP_ATTR_NAME, name, strlen(name) + 1);
	attribute(OVS_DP_ATTR_UPCALL_PID, &nobody, sizeof(nobody));
	ask(name);

	int vport = family(OVS_VPORT_FAMILY);
	datapath.dp_ifindex = if_nametoindex(name);
	start(vport, OVS_VPORT_CMD_NEW, OVS_VPORT_VERSION);
	put(&datapath, sizeof(datapath));
	attribute(OVS_VPORT_ATTR_PORT_NO, &number, sizeof(number));
	attribute(OVS_VPORT_ATTR_TYPE, &internal, sizeof(internal));
	attribute(OVS_VPORT_ATTR_NAME, port, strlen(port) + 1);
	attribute(OVS_VPORT_ATTR_UPCALL_PID, &nobody, sizeof(nobody));
	ask(port);
	return if_nametoindex(port);
}

static void send_packet(int port)
{
	char payload[PAYLOAD] = "";
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (sendto(udp, payload, sizeof(payload), 0, (void *)&to, sizeof(to)) < 0)
		err(1, "sendto");
}

int main(int argc, char **argv)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int number = argc > 1 ? atoi(argv[1]) : 0;

	netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (netlink < 0 || connect(netlink, (void *)&kernel, sizeof(kernel)))
		err(1, "netlink");
	int device = add_port(number);

	send_packet(number);
	/* IP and UDP have 28 bytes. */
	printf("port_no=%d ifindex=%d packets=1 bytes=%d\n", number, device, PAYLOAD + 28);
	return 0;
}
