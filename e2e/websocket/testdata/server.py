"""Echoes messages. Usage: server.py PORT"""
import asyncio
import logging
import sys

import websockets

logging.disable(logging.CRITICAL)  # violations are what this is about


async def echo(socket, path=None):
    async for message in socket:
        await socket.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=2**25):
        await asyncio.Future()


asyncio.run(main())
