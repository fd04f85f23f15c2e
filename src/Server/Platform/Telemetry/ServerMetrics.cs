using System.Diagnostics.Metrics;

namespace Atoll.Platform.Telemetry;

/// <summary>A layer's instruments; all are made in the start, so that they can be read from the first moment.</summary>
internal interface IMetrics;

/// <summary>Which server this is and since when. What the process takes of the machine is measured by the runtime itself.</summary>
internal sealed class ServerMetrics : IMetrics
{
    public ServerMetrics(IMeterFactory meters, TimeProvider clock)
    {
        var meter = meters.Create("Atoll.Server");
        var version = new KeyValuePair<string, object?>("version", AtollVersion.Current.Split('+')[0]);
        meter.CreateObservableGauge("atoll.info", () => new Measurement<long>(1, version), null, "Version of the server; the value is always 1.");
        var started = clock.GetUtcNow().ToUnixTimeMilliseconds() / 1e3;
        meter.CreateObservableGauge("process.start_time", () => started, "s", "When the server started, in seconds since 1970.");
    }
}
