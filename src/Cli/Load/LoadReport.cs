using System.Text.Json.Serialization;

namespace Atoll.Cli.Load;

/// <summary>What came of a load. Times are milliseconds.</summary>
internal sealed record LoadReport
{
    public required string Protocol { get; init; }

    public required string Http { get; init; }

    public required int Connections { get; init; }

    public required int InFlightMax { get; init; }

    /// <summary>Requests a second of an open loop; null for a closed one.</summary>
    public required double? Rate { get; init; }

    /// <summary>Seconds that were measured.</summary>
    public required double Seconds { get; init; }

    /// <summary>Requests that were due in the measured time.</summary>
    public required long Offered { get; init; }

    /// <summary>Those of them that were sent; the others found no free place on a connection.</summary>
    public required long Sent { get; init; }

    /// <summary>All that were sent, also before the measured time.</summary>
    public required long Begun { get; init; }

    /// <summary>Those that were due in the measured time and were answered well.</summary>
    public required long Done { get; init; }

    /// <summary>Good answers that came in the measured time, a second.</summary>
    public required double DonePerSecond { get; init; }

    public required double RowsPerSecond { get; init; }

    /// <summary>Other ends by status: an HTTP status, a gRPC status, or what happened to the connection.</summary>
    public required IReadOnlyDictionary<string, long> Errors { get; init; }

    /// <summary>What the server said to the first that failed.</summary>
    public string? FirstFailure { get; init; }

    /// <summary>From the moment a request was due to the end of its answer, good answers only.</summary>
    public required LoadLatency Latency { get; init; }

    /// <summary>What a request cost this program, microseconds of a processor.</summary>
    public required double OwnCpuMicroseconds { get; init; }
}

/// <summary>Percentiles of the times of a load, in milliseconds.</summary>
internal sealed record LoadLatency(double P50, double P90, double P99, double P999, double Max);

/// <summary>How a report is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LoadReport))]
internal sealed partial class LoadJson : JsonSerializerContext;
