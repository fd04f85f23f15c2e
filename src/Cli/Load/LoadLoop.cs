using System.Net.Sockets;
using System.Text;

namespace Atoll.Cli.Load;

/// <summary>One thread's share of a load: its connections, and what came of their requests.</summary>
internal sealed class LoadLoop
{
    private const int HttpStatusMax = 1000;
    private const int QuoteBytesMax = 500;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ReopenPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan DrainMax = TimeSpan.FromSeconds(10);

    private readonly LoadPlan _plan;
    private readonly TimeProvider _clock;
    private readonly LoadConnection[] _connections;
    private readonly SocketPoll _poll;
    private readonly TargetPicker _tenants;
    private readonly TargetPicker _models;
    private readonly int _inFlightMax;
    private readonly double _rate;
    private readonly long _requestsMax;
    private readonly long[] _failed = new long[HttpStatusMax];
    private readonly Dictionary<string, long> _broken = [];
    private readonly StringBuilder _quote = new();
    private long _now;
    private long _measureFrom;
    private long _measureUntil;
    private int _inFlight;
    private int _turn;

    public LoadLoop(LoadPlan plan, int number, TimeProvider clock)
    {
        _plan = plan;
        _clock = clock;
        _rate = (plan.Rate ?? 0) / plan.Threads;
        _requestsMax = plan.RequestsMax / plan.Threads + (number < plan.RequestsMax % plan.Threads ? 1 : 0);
        _inFlightMax = Share(plan.InFlight, plan.Threads, number);
        var connections = Share(plan.Connections, plan.Threads, number);
        _tenants = new TargetPicker(plan.Credentials.Count, plan.Zipf, plan.Sweeps, plan.Seed + number * 2);
        _models = new TargetPicker(plan.Models.Count, plan.Zipf, plan.Sweeps, plan.Seed + number * 2 + 1);
        _poll = new SocketPoll(connections);
        if (plan.IsHttp2)
        {
            var requests = new HttpTwoRequests(plan);
            _connections = [.. Enumerable.Range(0, connections).Select(i => new HttpTwoConnection(this, plan.Server, requests, Share(_inFlightMax, connections, i)))];
        }
        else
        {
            var requests = new HttpOneRequests(plan);
            _connections = [.. Enumerable.Range(0, connections).Select(_ => new HttpOneConnection(this, plan.Server, requests))];
        }
    }

    /// <summary>Times of good answers to requests that were due in the measured time.</summary>
    public LatencyHistogram Latency { get; } = new();

    public long Offered { get; private set; }

    public long Sent { get; private set; }

    /// <summary>Every request that was sent, those of the warm-up too.</summary>
    public long Begun { get; private set; }

    /// <summary>Good answers that came in the measured time.</summary>
    public long DoneInTime { get; private set; }

    /// <summary>What the server said to the first request that failed.</summary>
    public string? FirstFailure => _quote.Length == 0 ? null : _quote.ToString();

    public IEnumerable<(string Status, long Count)> Errors =>
        _failed.Select((count, status) => (NameOf(status), count)).Where(pair => pair.count > 0).Concat(_broken.Select(pair => (pair.Key, pair.Value)));

    /// <summary>Opens the connections and waits until each may be used.</summary>
    /// <exception cref="LoadException">The server is not there, does not speak this protocol, or lets a connection have fewer requests at a time.</exception>
    public void Open()
    {
        var until = _clock.GetTimestamp() + Ticks(TimeSpan.FromSeconds(10));
        foreach (var connection in _connections)
        {
            try
            {
                connection.Open();
            }
            catch (SocketException problem)
            {
                throw new LoadException(problem.SocketErrorCode == SocketError.ConnectionRefused ? "nothing listens there." : problem.Message, isUnreachable: true);
            }
        }
        foreach (var connection in _connections.OfType<HttpTwoConnection>())
        {
            while (connection.StreamsMax is null)
            {
                if (connection.Socket is null || _clock.GetTimestamp() > until)
                    throw new LoadException("The server does not speak HTTP/2 without TLS there.");
                Exchange(LongestWait);
            }
            if (connection.StreamsMax < Share(_inFlightMax, _connections.Length, 0))
                throw new LoadException($"The server lets a connection have {connection.StreamsMax} requests at a time. Give more --connections, or fewer --in-flight.");
        }
    }

    /// <summary>Sends until the time is over, then waits for the answers that are still missing.</summary>
    /// <param name="start">When the load begins, of all threads.</param>
    public void Run(long start, CancellationToken cancellationToken)
    {
        var end = start + Ticks(_plan.Warmup + _plan.Duration);
        (_measureFrom, _measureUntil) = (start + Ticks(_plan.Warmup), end);
        var ticksPerRequest = _rate > 0 ? _clock.TimestampFrequency / _rate : 0;
        long begun = 0;
        LookAtClock();
        while (_now < end && begun < _requestsMax && !cancellationToken.IsCancellationRequested)
        {
            var wait = LongestWait;
            if (_rate > 0)
            {
                // What is due begins as soon as there is a place; its latency counts from when it was due.
                while (begun < _requestsMax)
                {
                    var due = start + (long)(begun * ticksPerRequest);
                    if (due > _now)
                    {
                        wait = Min(wait, _clock.GetElapsedTime(_now, due));
                        break;
                    }
                    if (FindRoom() is not { } connection) break;
                    Start(connection, due);
                    begun++;
                }
            }
            else
            {
                while (begun < _requestsMax && FindRoom() is { } connection)
                {
                    Start(connection, _now);
                    begun++;
                }
            }
            Exchange(Min(wait, _clock.GetElapsedTime(_now, Math.Max(_now, end))));
        }
        if (_rate > 0 && begun < _requestsMax)
        {
            // The requests that were due and found no place until the end.
            var due = (long)((Math.Min(_now, end) - start) / ticksPerRequest);
            Offered += Math.Max(0, due - Math.Max(begun, (long)((_measureFrom - start) / ticksPerRequest)));
        }
        for (var until = _now + Ticks(DrainMax); _inFlight > 0 && _now < until;) Exchange(LongestWait);
        foreach (var connection in _connections) connection.Close("no answer");
    }

    /// <summary>Takes the time once for all that comes together.</summary>
    public void LookAtClock() => _now = _clock.GetTimestamp();

    public void Succeed(long due)
    {
        _inFlight--;
        if (_now >= _measureFrom && _now < _measureUntil) DoneInTime++;
        if (due >= _measureFrom) Latency.Record(_clock.GetElapsedTime(due, _now));
    }

    /// <param name="status">Of HTTP, or of gRPC, which are below 100.</param>
    public void Fail(long due, int status)
    {
        _inFlight--;
        if (due >= _measureFrom) _failed[Math.Clamp(status, 0, HttpStatusMax - 1)]++;
    }

    public void Fail(long due, string reason)
    {
        _inFlight--;
        if (due >= _measureFrom) _broken[reason] = _broken.GetValueOrDefault(reason) + 1;
    }

    /// <summary>Keeps the words of the first failure.</summary>
    public void Quote(ReadOnlySpan<byte> words)
    {
        if (_quote.Length == 0) _quote.Append(Encoding.UTF8.GetString(words[..Math.Min(words.Length, QuoteBytesMax)]));
    }

    private void Start(LoadConnection connection, long due)
    {
        connection.Start(_tenants.Next(), _models.Next(), due);
        _inFlight++;
        Begun++;
        if (due < _measureFrom) return;
        Offered++;
        Sent++;
    }

    private LoadConnection? FindRoom()
    {
        if (_inFlight >= _inFlightMax) return null;
        for (var i = 0; i < _connections.Length; i++)
        {
            _turn = _turn + 1 >= _connections.Length ? 0 : _turn + 1;
            if (_connections[_turn].HasRoom) return _connections[_turn];
        }
        return null;
    }

    /// <summary>Sends what was begun, waits for something to come, and reads it.</summary>
    private void Exchange(TimeSpan wait)
    {
        for (var i = 0; i < _connections.Length; i++)
        {
            var connection = _connections[i];
            if (connection.Socket is null && _now >= connection.ReopenAt) connection.Reopen(_now, Ticks(ReopenPause));
            connection.Flush();
            _poll.Watch(i, connection.Socket, connection.HasToSend);
        }
        _poll.Wait(wait);
        LookAtClock();
        for (var i = 0; i < _connections.Length; i++)
            if (_poll.IsReadable(i)) _connections[i].Receive();
    }

    private string NameOf(int status) => status switch
    {
        >= 100 => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        16 => "UNAUTHENTICATED",
        _ => $"grpc-status {status}",
    };

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _clock.TimestampFrequency);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    // The first shares get what does not divide.
    private static int Share(int count, int shares, int number) => count / shares + (number < count % shares ? 1 : 0);
}

/// <summary>A load cannot be made.</summary>
internal sealed class LoadException(string message, bool isUnreachable = false) : Exception(message)
{
    /// <summary>Nobody answers at the address.</summary>
    public bool IsUnreachable { get; } = isUnreachable;
}
