using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Atoll.Cli.Load;

/// <summary>Waits until one of a few sockets can be read or written.</summary>
/// <remarks>On Linux with the system's call, which waits for less than a millisecond when asked to; elsewhere with <see cref="Socket.Select(System.Collections.IList, System.Collections.IList, System.Collections.IList, TimeSpan)"/>.</remarks>
internal sealed unsafe partial class SocketPoll(int count)
{
    private const short Readable = 1;
    private const short Writable = 4;

    private readonly Socket?[] _sockets = new Socket?[count];
    private readonly PollEntry[] _entries = new PollEntry[count];
    private readonly List<Socket> _read = new(count);
    private readonly List<Socket> _write = new(count);
    private readonly ManualResetEventSlim _never = new();

    /// <summary>Says what to wait for at a place; null for nothing.</summary>
    public void Watch(int place, Socket? socket, bool writable)
    {
        if (!ReferenceEquals(_sockets[place], socket))
        {
            _sockets[place] = socket;
            // The system skips negative numbers.
            _entries[place].Descriptor = socket is null ? -1 : (int)socket.Handle;
        }
        _entries[place].Wanted = (short)(writable ? Readable | Writable : Readable);
    }

    /// <summary>Something came, or the other side went.</summary>
    public bool IsReadable(int place) => (_entries[place].Happened & ~Writable) != 0;

    public void Wait(TimeSpan timeout)
    {
        if (OperatingSystem.IsLinux()) WaitOnLinux(timeout);
        else WaitAnywhere(timeout);
    }

    private void WaitOnLinux(TimeSpan timeout)
    {
        var time = new SystemTime { Seconds = (nint)(timeout.Ticks / TimeSpan.TicksPerSecond), Nanoseconds = (nint)(timeout.Ticks % TimeSpan.TicksPerSecond * 100) };
        fixed (PollEntry* entries = _entries)
        {
            // Interrupted by a signal, nothing has happened; the caller waits again.
            if (Poll(entries, (nuint)_entries.Length, &time, null) < 0)
                for (var i = 0; i < _entries.Length; i++) _entries[i].Happened = 0;
        }
    }

    private void WaitAnywhere(TimeSpan timeout)
    {
        _read.Clear();
        _write.Clear();
        for (var i = 0; i < _sockets.Length; i++)
        {
            _entries[i].Happened = 0;
            if (_sockets[i] is not { } socket) continue;
            _read.Add(socket);
            if ((_entries[i].Wanted & Writable) != 0) _write.Add(socket);
        }
        if (_read.Count == 0)
        {
            _never.Wait(timeout);
            return;
        }
        Socket.Select(_read, _write, null, timeout);
        for (var i = 0; i < _sockets.Length; i++)
            if (_sockets[i] is { } socket && _read.Contains(socket)) _entries[i].Happened = Readable;
    }

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static partial int Poll(PollEntry* entries, nuint count, SystemTime* timeout, void* signals);

    private struct PollEntry
    {
        public int Descriptor;
        public short Wanted;
        public short Happened;
    }

    private struct SystemTime
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
