using System.Diagnostics;

namespace Atoll.Platform.Telemetry;

/// <summary>What a request spent its time on, for requests that are traced; costs a look at a field for all others.</summary>
internal static class RequestSpans
{
    public const string SourceName = "Atoll";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>Records a part of the current request that has just ended.</summary>
    public static void Record(string name, TimeSpan took, TimeProvider clock)
    {
        if (Source.HasListeners()) RecordListened(name, took, clock);
    }

    private static void RecordListened(string name, TimeSpan took, TimeProvider clock)
    {
        // Without a traced request around it, it would begin a trace of its own.
        if (Activity.Current is not { IsAllDataRequested: true } request) return;
        var now = clock.GetUtcNow().UtcDateTime;
        using var span = Source.CreateActivity(name, ActivityKind.Internal, request.Context);
        span?.SetStartTime(now - took).Start();
        span?.SetEndTime(now);
    }
}
