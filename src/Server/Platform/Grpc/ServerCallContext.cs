using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Atoll.Platform.Grpc;

/// <summary>A call while it is answered: its metadata, its deadline, and the token that ends it.</summary>
internal sealed class ServerCallContext : IDisposable
{
    private readonly HttpContext _http;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource? _deadline;
    private readonly CancellationTokenRegistration _aborted;
    private HeaderDictionary? _trailers;

    private ServerCallContext(HttpContext http, TimeSpan? timeout, TimeProvider clock)
    {
        _http = http;
        _clock = clock;
        if (timeout is not { } wait)
        {
            CancellationToken = http.RequestAborted;
            return;
        }
        Deadline = clock.GetUtcNow().UtcDateTime + wait;
        _deadline = new CancellationTokenSource(wait, clock);
        _aborted = http.RequestAborted.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _deadline);
        CancellationToken = _deadline.Token;
    }

    /// <summary>Cancelled when the client goes away or its deadline passes.</summary>
    public CancellationToken CancellationToken { get; }

    /// <summary>When the client stops to wait, in UTC; the end of time when it does not say.</summary>
    public DateTime Deadline { get; } = DateTime.MaxValue;

    /// <summary>How long the client still waits, or <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public TimeSpan TimeLeft => _deadline is null ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(Math.Max(0, (Deadline - _clock.GetUtcNow().UtcDateTime).Ticks));

    public IHeaderDictionary RequestHeaders => _http.Request.Headers;

    /// <summary>Metadata that is sent after the last message.</summary>
    public IHeaderDictionary ResponseTrailers => _trailers ??= [];

    /// <summary>The client stopped to wait; it did not go away before that.</summary>
    public bool IsDeadlineExceeded => _deadline is { IsCancellationRequested: true } && !_http.RequestAborted.IsCancellationRequested;

    public HttpContext GetHttpContext() => _http;

    /// <summary>Reads the call's metadata.</summary>
    /// <exception cref="RpcException">The timeout cannot be read.</exception>
    public static ServerCallContext Start(HttpContext http, TimeProvider clock)
    {
        if (!http.Request.Headers.TryGetValue("grpc-timeout", out var text)) return new ServerCallContext(http, null, clock);
        return GrpcTimeout.TryParse(text.ToString(), out var timeout)
            ? new ServerCallContext(http, timeout, clock)
            : throw new RpcException(new Status(StatusCode.InvalidArgument, "The header 'grpc-timeout' cannot be read. Send at most eight digits and one of H, M, S, m, u, n."));
    }

    /// <summary>Ends the answer. Nothing can be sent afterwards.</summary>
    public void End(Status status, TimeSpan? retryAfter) => GrpcAnswers.Write(_http, status, retryAfter, _trailers);

    /// <summary>Streams carry any number of messages, and last as long as their clients like where we know whose they are.</summary>
    public void LiftBodyLimits(bool isStream, bool isForAnybody)
    {
        // Each message has its own limit.
        if (_http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = null;
        if (isStream && !isForAnybody && _http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;
    }

    public void Dispose()
    {
        _aborted.Dispose();
        _deadline?.Dispose();
    }
}
