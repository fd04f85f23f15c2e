using System.Net.Sockets;

namespace Atoll.Cli.Load;

/// <summary>A connection over which a load is sent. Everything happens on the thread of its loop; in steady state nothing is allocated.</summary>
internal abstract class LoadConnection(LoadLoop loop, Uri server)
{
    private const int ReceiveBytes = 256 << 10;

    private readonly byte[] _received = GC.AllocateUninitializedArray<byte>(ReceiveBytes);
    private int _receivedLength;
    private byte[] _toSend = new byte[16 << 10];
    private int _sendFrom;
    private int _sendTo;

    protected LoadLoop Loop => loop;

    /// <summary>The open socket; null when there is none.</summary>
    public Socket? Socket { get; private set; }

    /// <summary>Requests on their way.</summary>
    public int InFlight { get; protected set; }

    /// <summary>Bytes wait for the socket.</summary>
    public bool HasToSend => _sendTo > _sendFrom;

    /// <summary>Another request may begin now.</summary>
    public abstract bool HasRoom { get; }

    /// <summary>When to try again to open it.</summary>
    public long ReopenAt { get; private set; }

    /// <summary>Begins a request; it is sent with the next <see cref="Flush"/>.</summary>
    /// <param name="due">Timestamp from which its latency counts.</param>
    public abstract void Start(int tenant, int model, long due);

    /// <exception cref="SocketException">Nobody listens.</exception>
    public void Open()
    {
        _receivedLength = _sendFrom = _sendTo = 0;
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Connect(server.IdnHost, server.Port);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        socket.Blocking = false;
        Socket = socket;
        Greet();
    }

    /// <summary>Opens it again after it was closed; later when that fails.</summary>
    public void Reopen(long now, long pause)
    {
        try
        {
            Open();
        }
        catch (SocketException)
        {
            ReopenAt = now + pause;
        }
    }

    /// <summary>Closes it; requests on their way end with what happened.</summary>
    public void Close(string reason)
    {
        Socket?.Dispose();
        Socket = null;
        Abandon(reason);
        InFlight = 0;
    }

    /// <summary>Sends what the socket takes.</summary>
    public void Flush()
    {
        while (Socket is not null && _sendTo > _sendFrom)
        {
            var sent = Socket.Send(_toSend.AsSpan(_sendFrom, _sendTo - _sendFrom), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock) return;
            if (error != SocketError.Success)
            {
                Close(ConnectionLost);
                return;
            }
            _sendFrom += sent;
        }
        _sendFrom = _sendTo = 0;
    }

    /// <summary>Reads what has come.</summary>
    public void Receive()
    {
        while (Socket is not null)
        {
            var room = _received.Length - _receivedLength;
            var count = Socket.Receive(_received.AsSpan(_receivedLength), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock) return;
            if (error != SocketError.Success || count == 0)
            {
                Close(ConnectionLost);
                return;
            }
            _receivedLength += count;
            loop.LookAtClock();
            var used = Read(_received.AsSpan(0, _receivedLength));
            if (Socket is null) return;
            _receivedLength -= used;
            if (_receivedLength == _received.Length)
            {
                Close("an answer's head is too long");
                return;
            }
            if (used > 0 && _receivedLength > 0) Buffer.BlockCopy(_received, used, _received, 0, _receivedLength);
            // What was asked for has come as far as it has; another call would only say so.
            if (count < room) return;
        }
    }

    /// <summary>The other side ended the connection, or the network did.</summary>
    protected const string ConnectionLost = "connection lost";

    /// <summary>What is sent before anything else.</summary>
    protected abstract void Greet();

    /// <summary>Looks at the bytes that have come; says how many need not be seen again.</summary>
    protected abstract int Read(ReadOnlySpan<byte> bytes);

    /// <summary>Ends what is on its way.</summary>
    protected abstract void Abandon(string reason);

    /// <summary>Room for bytes to send; the caller fills all of it.</summary>
    protected Span<byte> Reserve(int count)
    {
        if (_sendTo + count > _toSend.Length)
        {
            var waiting = _sendTo - _sendFrom;
            if (waiting + count > _toSend.Length) Array.Resize(ref _toSend, Math.Max(_toSend.Length * 2, waiting + count));
            Buffer.BlockCopy(_toSend, _sendFrom, _toSend, 0, waiting);
            (_sendFrom, _sendTo) = (0, waiting);
        }
        var span = _toSend.AsSpan(_sendTo, count);
        _sendTo += count;
        return span;
    }

    protected void Append(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Reserve(bytes.Length));
}
