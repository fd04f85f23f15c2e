using System.Buffers.Binary;
using System.Text;

namespace Atoll.Cli.Load;

/// <summary>A connection that speaks HTTP/2 with prior knowledge: many requests at the same time, each a stream.</summary>
internal sealed class HttpTwoConnection(LoadLoop loop, Uri server, HttpTwoRequests requests, int inFlightMax) : LoadConnection(loop, server)
{
    private const int FrameHead = 9;
    private const int LargestWindow = int.MaxValue;
    private const int FirstWindow = 65_535;
    private const int WindowRenewal = 1 << 29;

    private readonly Stream[] _streams = new Stream[inFlightMax];
    private readonly Stack<int> _free = new(inFlightMax);
    private readonly Dictionary<int, int> _placeOf = new(inFlightMax);
    private readonly Queue<int> _blocked = new();
    private readonly List<byte> _unfinishedBlock = [];
    private int _unfinishedStream;
    private bool _unfinishedEnds;
    private int _nextStream;
    private long _window;
    private long _streamWindow;
    private int _frameBytesMax;
    private long _streamsMax;
    private long _unacknowledged;
    private bool _isGreeted;
    private bool _isLeaving;

    private enum Frame : byte
    {
        Data = 0,
        Headers = 1,
        Reset = 3,
        Settings = 4,
        Ping = 6,
        GoAway = 7,
        WindowUpdate = 8,
        Continuation = 9,
    }

    /// <summary>How many requests the server lets a connection have at a time; null until it has said so.</summary>
    public long? StreamsMax => _isGreeted ? _streamsMax : null;

    public override bool HasRoom => _free.Count > 0 && InFlight < _streamsMax && _isGreeted && !_isLeaving && _blocked.Count == 0 && Socket is not null;

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    public override void Start(int tenant, int model, long due)
    {
        var place = _free.Pop();
        var id = _nextStream;
        _nextStream += 2;
        if (_nextStream > int.MaxValue - 2) _isLeaving = true;
        _streams[place] = new Stream { Id = id, Due = due, Model = model, Window = _streamWindow, GrpcStatus = -1 };
        _placeOf[id] = place;
        InFlight++;
        var head = Begin(Frame.Headers, 4, id, requests.HeadLengthOf(tenant, model));
        requests.WriteHead(head, tenant, model);
        SendBody(ref _streams[place]);
    }

    protected override void Greet()
    {
        _free.Clear();
        for (var i = _streams.Length - 1; i >= 0; i--) _free.Push(i);
        _placeOf.Clear();
        _blocked.Clear();
        _unfinishedBlock.Clear();
        (_nextStream, _window, _streamWindow, _frameBytesMax, _streamsMax, _unacknowledged) = (1, FirstWindow, FirstWindow, 16_384, uint.MaxValue, 0);
        (_isGreeted, _isLeaving) = (false, false);
        Append(Preface);
        var settings = Begin(Frame.Settings, 0, 0, 18);
        // No dynamic table (1), no pushes (2), all the window that there is (4).
        WriteSetting(settings, 1, 0);
        WriteSetting(settings[6..], 2, 0);
        WriteSetting(settings[12..], 4, LargestWindow);
        SendWindow(LargestWindow - FirstWindow);
    }

    protected override void Abandon(string reason)
    {
        foreach (var place in _placeOf.Values) Loop.Fail(_streams[place].Due, reason);
        _placeOf.Clear();
    }

    protected override int Read(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        while (bytes.Length - at >= FrameHead)
        {
            var head = bytes[at..];
            var length = (head[0] << 16) | (head[1] << 8) | head[2];
            if (head.Length < FrameHead + length) break;
            if (!Take((Frame)head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head[5..]) & int.MaxValue, head.Slice(FrameHead, length)))
            {
                Close("not an answer of HTTP/2");
                return at;
            }
            at += FrameHead + length;
            if (Socket is null) return at;
        }
        if (_isLeaving && InFlight == 0) Close(ConnectionLost);
        return at;
    }

    private bool Take(Frame type, byte flags, int id, ReadOnlySpan<byte> payload)
    {
        switch (type)
        {
            case Frame.Data:
                _unacknowledged += payload.Length;
                if (_unacknowledged >= WindowRenewal)
                {
                    SendWindow((int)_unacknowledged);
                    _unacknowledged = 0;
                }
                if (!_placeOf.TryGetValue(id, out var place)) return true;
                if (_streams[place].HttpStatus >= 300) Loop.Quote(payload);
                if ((flags & 1) != 0) End(place);
                return true;
            case Frame.Headers:
                if ((flags & 8) != 0)
                {
                    if (payload.Length < 1 + payload[0]) return false;
                    payload = payload[1..^payload[0]];
                }
                if ((flags & 32) != 0)
                {
                    if (payload.Length < 5) return false;
                    payload = payload[5..];
                }
                if ((flags & 4) != 0) return TakeHeaders(id, payload, (flags & 1) != 0);
                _unfinishedBlock.Clear();
                _unfinishedBlock.AddRange(payload);
                (_unfinishedStream, _unfinishedEnds) = (id, (flags & 1) != 0);
                return true;
            case Frame.Continuation:
                if (id != _unfinishedStream || _unfinishedBlock.Count > 1 << 20) return false;
                _unfinishedBlock.AddRange(payload);
                return (flags & 4) == 0 || TakeHeaders(id, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_unfinishedBlock), _unfinishedEnds);
            case Frame.Reset:
                if (_placeOf.TryGetValue(id, out var reset))
                {
                    var due = _streams[reset].Due;
                    Leave(reset);
                    Loop.Fail(due, "stream reset");
                }
                return true;
            case Frame.Settings:
                return (flags & 1) != 0 || TakeSettings(payload);
            case Frame.Ping:
                if (payload.Length != 8) return false;
                if ((flags & 1) == 0) payload.CopyTo(Begin(Frame.Ping, 1, 0, 8));
                return true;
            case Frame.GoAway:
                _isLeaving = true;
                return true;
            case Frame.WindowUpdate:
                if (payload.Length != 4) return false;
                var more = BinaryPrimitives.ReadInt32BigEndian(payload) & int.MaxValue;
                if (id == 0) _window += more;
                else if (_placeOf.TryGetValue(id, out var widened)) _streams[widened].Window += more;
                SendBlocked();
                return true;
            default:
                // What is not known is to be ignored.
                return true;
        }
    }

    private bool TakeSettings(ReadOnlySpan<byte> payload)
    {
        for (; payload.Length >= 6; payload = payload[6..])
        {
            var value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch (BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case 3:
                    _streamsMax = value;
                    break;
                case 4:
                    foreach (var place in _placeOf.Values) _streams[place].Window += value - _streamWindow;
                    _streamWindow = value;
                    break;
                case 5:
                    _frameBytesMax = (int)Math.Min(value, 1 << 20);
                    break;
            }
        }
        _isGreeted = true;
        Begin(Frame.Settings, 1, 0, 0);
        SendBlocked();
        return payload.Length == 0;
    }

    private bool TakeHeaders(int id, ReadOnlySpan<byte> block, bool ends)
    {
        if (!_placeOf.TryGetValue(id, out var place)) return true;
        ref var stream = ref _streams[place];
        Range message = default;
        if (!HeaderCompression.TryRead(block, ref stream.HttpStatus, ref stream.GrpcStatus, ref message)) return false;
        if (stream.GrpcStatus > 0) Loop.Quote(block[message]);
        if (ends) End(place);
        return true;
    }

    private void End(int place)
    {
        var stream = _streams[place];
        Leave(place);
        if (stream.HttpStatus is < 200 or >= 300) Loop.Fail(stream.Due, stream.HttpStatus);
        else if (!requests.IsGrpc || stream.GrpcStatus == 0) Loop.Succeed(stream.Due);
        else if (stream.GrpcStatus < 0) Loop.Fail(stream.Due, "no grpc-status");
        else Loop.Fail(stream.Due, stream.GrpcStatus);
    }

    private void Leave(int place)
    {
        _placeOf.Remove(_streams[place].Id);
        _free.Push(place);
        InFlight--;
    }

    private void SendBlocked()
    {
        for (var count = _blocked.Count; count > 0; count--)
            if (_placeOf.TryGetValue(_blocked.Dequeue(), out var place)) SendBody(ref _streams[place]);
    }

    /// <summary>Sends as much of a body as the server has room for; the rest waits.</summary>
    private void SendBody(ref Stream stream)
    {
        var length = requests.BodyLengthOf(stream.Model);
        do
        {
            var count = (int)Math.Min(Math.Min(length - stream.Sent, _frameBytesMax), Math.Min(_window, stream.Window));
            if (count <= 0 && length > 0)
            {
                _blocked.Enqueue(stream.Id);
                return;
            }
            requests.WriteBody(Begin(Frame.Data, stream.Sent + count == length ? (byte)1 : (byte)0, stream.Id, count), stream.Model, stream.Sent);
            stream.Sent += count;
            stream.Window -= count;
            _window -= count;
        }
        while (stream.Sent < length);
    }

    private Span<byte> Begin(Frame type, byte flags, int id, int length)
    {
        var span = Reserve(FrameHead + length);
        span[0] = (byte)(length >> 16);
        span[1] = (byte)(length >> 8);
        span[2] = (byte)length;
        span[3] = (byte)type;
        span[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(span[5..], id);
        return span[FrameHead..];
    }

    private void SendWindow(int more) => BinaryPrimitives.WriteInt32BigEndian(Begin(Frame.WindowUpdate, 0, 0, 4), more);

    private static void WriteSetting(Span<byte> target, ushort name, uint value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(target, name);
        BinaryPrimitives.WriteUInt32BigEndian(target[2..], value);
    }

    /// <summary>A request on its way.</summary>
    private struct Stream
    {
        public int Id;
        public int Model;
        public int Sent;
        public int HttpStatus;
        public int GrpcStatus;
        public long Due;
        public long Window;
    }
}

/// <summary>Requests of HTTP/2, made beforehand but for the tenant and the model.</summary>
internal sealed class HttpTwoRequests
{
    // Numbers of HPACK's static table.
    private const int Authority = 1;
    private const int MethodPost = 3;
    private const int Path = 4;
    private const int SchemeHttp = 6;
    private const int Authorization = 23;
    private const int ContentLength = 28;
    private const int ContentType = 31;

    private readonly byte[] _head;
    private readonly byte[][] _paths;
    private readonly byte[][] _credentials;
    private readonly byte[][] _bodyStarts;
    private readonly byte[] _body;

    public HttpTwoRequests(LoadPlan plan)
    {
        IsGrpc = plan.Protocol == LoadProtocol.Grpc;
        _body = plan.Body.Bytes;
        _head = Block(block =>
        {
            HeaderCompression.Write(block, MethodPost);
            HeaderCompression.Write(block, SchemeHttp);
            HeaderCompression.Write(block, Authority, $"{plan.Server.IdnHost}:{plan.Server.Port}");
            HeaderCompression.Write(block, ContentType, IsGrpc ? "application/grpc" : plan.Body.ContentType);
            if (IsGrpc) HeaderCompression.Write(block, "te", "trailers");
            else HeaderCompression.Write(block, ContentLength, _body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
            if (plan.Body.JsonBytes is { } length) HeaderCompression.Write(block, "inference-header-content-length", length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        });
        var (before, after) = RequestPath.Around(plan.Protocol);
        // The method of gRPC is one for all models, whose names stand in the messages.
        var grpcPath = Block(block => HeaderCompression.Write(block, Path, before));
        _paths = [.. plan.Models.Select(model => IsGrpc ? grpcPath : Block(block => HeaderCompression.Write(block, Path, before + Uri.EscapeDataString(model) + after)))];
        _bodyStarts = [.. plan.Models.Select(model => IsGrpc ? MessageStart(model) : [])];
        _credentials = [.. plan.Credentials.Select(credential => credential is null ? [] : Block(block => HeaderCompression.Write(block, Authorization, "Bearer " + credential)))];
    }

    public bool IsGrpc { get; }

    public int HeadLengthOf(int tenant, int model) => _head.Length + _paths[model].Length + _credentials[tenant].Length;

    public void WriteHead(Span<byte> target, int tenant, int model)
    {
        // Fields that begin with a colon come first, as the first three of the head do.
        _paths[model].CopyTo(target);
        target = target[_paths[model].Length..];
        _head.CopyTo(target);
        _credentials[tenant].CopyTo(target[_head.Length..]);
    }

    public int BodyLengthOf(int model) => _bodyStarts[model].Length + _body.Length;

    /// <summary>Fills the target with the body from a place on.</summary>
    public void WriteBody(Span<byte> target, int model, int from)
    {
        var start = _bodyStarts[model];
        if (from < start.Length)
        {
            var count = Math.Min(start.Length - from, target.Length);
            start.AsSpan(from, count).CopyTo(target);
            target = target[count..];
            from += count;
        }
        _body.AsSpan(from - start.Length, target.Length).CopyTo(target);
    }

    /// <summary>The message's frame and its first field, the model's name.</summary>
    private byte[] MessageStart(string model)
    {
        var name = Encoding.UTF8.GetBytes(model);
        var field = Protobuf.Bytes(1, name);
        var start = new byte[5 + field.Length];
        BinaryPrimitives.WriteInt32BigEndian(start.AsSpan(1), field.Length + _body.Length);
        field.CopyTo(start, 5);
        return start;
    }

    private static byte[] Block(Action<List<byte>> write)
    {
        var block = new List<byte>();
        write(block);
        return [.. block];
    }
}

/// <summary>As much of protobuf's form as a request of predictions needs.</summary>
internal static class Protobuf
{
    public static byte[] Bytes(int field, ReadOnlySpan<byte> value) => [.. Number((ulong)((field << 3) | 2)), .. Number((ulong)value.Length), .. value];

    public static byte[] Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public static byte[] Number(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 128; value >>= 7) bytes.Add((byte)(value | 128));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
