using System.ComponentModel.DataAnnotations;

namespace Atoll.Platform.Telemetry;

/// <summary>Where metrics and traces are sent, section <c>Telemetry</c>. Metrics can be read at /metrics without any of it.</summary>
internal sealed class TelemetryOptions
{
    /// <summary>Address of an OpenTelemetry collector that takes OTLP, such as http://localhost:4317; nothing is sent without it.</summary>
    [Url]
    public string? OtlpEndpoint { get; set; }

    /// <summary>How the collector is spoken to: `grpc`, or `http` for protobuf over HTTP (mostly port 4318).</summary>
    [RegularExpression("grpc|http", ErrorMessage = "Use grpc or http.")]
    public string OtlpProtocol { get; set; } = "grpc";

    /// <summary>Headers for the collector, such as a credential: name=value, separated by commas.</summary>
    public string? OtlpHeaders { get; set; }

    /// <summary>Share of the requests that are traced, chosen by trace id.</summary>
    [Range(0.0, 1.0)]
    public double TraceShare { get; set; } = 0.01;

    /// <summary>Whether callers decide by their `traceparent` if a request is traced; only for callers whom the operator knows.</summary>
    public bool TraceAsCallersSay { get; set; }

    /// <summary>Seconds between two sendings of metrics.</summary>
    [Range(1, 3600)]
    public int MetricSeconds { get; set; } = 60;
}
