# OpenStack Swift with its S3 interface, all of it in one process: accounts, containers, objects and the proxy in front of them, with
# data in a directory. One replica of everything. Prints the proxy's port, and ends with its standard input.
# Arguments: an empty directory (on a file system with extended attributes), an access key, its secret.
import os
import sys

import eventlet
import eventlet.wsgi
from swift.common import utils

top, access, secret = sys.argv[1:]
utils.eventlet_monkey_patch()
os.makedirs(f"{top}/device/d")
with open(f'{top}/swift.conf', 'w') as conf:
    conf.write('[swift-hash]\nswift_hash_path_prefix = lab\n')
    conf.write('[swift-constraints]\nmax_header_size = 16384\n')
utils.SWIFT_CONF_FILE = f'{top}/swift.conf'

from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies
from swift.common.wsgi import SwiftHttpProtocol, loadapp

kinds = ['account', 'container', 'object']
sockets = {kind: eventlet.listen(('127.0.0.1', 0), backlog=4096) for kind in [*kinds, 'proxy']}
port_of = {kind: sock.getsockname()[1] for kind, sock in sockets.items()}
reload_storage_policies()

for kind in kinds:
    ring = RingBuilder(4, 1, 0)
    here = {'ip': '127.0.0.1', 'replication_ip': '127.0.0.1', 'port': port_of[kind], 'replication_port': port_of[kind]}
    ring.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'device': 'd', 'meta': '', **here})
    ring.rebalance()
    ring.get_ring().save(f'{top}/{kind}.ring.gz')
    with open(f'{top}/{kind}.conf', 'w') as conf:
        conf.write(f'''[DEFAULT]
swift_dir = {top}
devices = {top}/device
mount_check = false
fallocate_reserve = 0
log_level = ERROR
[app:main]
use = egg:swift#{kind}
''')

with open(f'{top}/proxy.conf', 'w') as conf:
    conf.write(f'''[DEFAULT]
swift_dir = {top}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors listing_formats bulk s3api tempauth slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
min_segment_size = 1048576
[filter:tempauth]
use = egg:swift#tempauth
user_lab_{access} = {secret} .admin
[filter:slo]
use = egg:swift#slo
rate_limit_after_segment = 10000
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
''')


class Memory:
    """What Swift otherwise keeps in memcached."""

    def __init__(self):
        self.kept = {}

    def set(self, key, value, **_):
        self.kept[key] = value

    def get(self, key, *_, **__):
        return self.kept.get(key)

    def delete(self, key, **_):
        self.kept.pop(key, None)


class Quiet:
    def write(self, text):
        pass


def with_memory(app, memory):
    return lambda env, start: app({**env, 'swift.cache': memory}, start)


for kind, sock in sockets.items():
    app = loadapp(f'{top}/{kind}.conf')
    if kind == 'proxy':
        app = with_memory(app, Memory())
    eventlet.spawn(eventlet.wsgi.server, sock, app, log=Quiet(), protocol=SwiftHttpProtocol, debug=False)

print(port_of['proxy'], flush=True)
while eventlet.tpool.execute(sys.stdin.read, 1):
    pass
