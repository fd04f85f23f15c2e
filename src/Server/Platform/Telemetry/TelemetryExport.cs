using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Atoll.Platform.Telemetry;

/// <summary>Sends metrics and traces to a collector over OTLP, when the operator names one.</summary>
internal sealed class TelemetryExport(IOptions<TelemetryOptions> options, TimeProvider clock) : IHostedLifecycleService, IDisposable
{
    private MeterProvider? _metrics;
    private TracerProvider? _traces;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        var settings = options.Value;
        if (settings.OtlpEndpoint is null) return Task.CompletedTask;
        var resource = ResourceBuilder.CreateEmpty().AddService(
            "atoll", serviceVersion: AtollVersion.Current.Split('+')[0], autoGenerateServiceInstanceId: false, serviceInstanceId: Ids.New("srv", clock));
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
            .AddMeter(MetricReader.OwnMeters + "*", MetricReader.RuntimeMeter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel")
            .AddView(ViewOf)
            .AddOtlpExporter((exporter, reader) =>
            {
                Configure(exporter, settings, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = settings.MetricSeconds * 1_000;
            }).Build();

        Sampler share = new TraceIdRatioBasedSampler(settings.TraceShare);
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource)
            .AddSource(RequestSpans.SourceName, "Microsoft.AspNetCore")
            .SetSampler(settings.TraceAsCallersSay ? new ParentBasedSampler(share) : new OwnChoiceSampler(share))
            .AddOtlpExporter(exporter => Configure(exporter, settings, "v1/traces")).Build();
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The last requests have ended; what was measured of them is sent, too.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        _metrics?.Dispose();
        _traces?.Dispose();
        (_metrics, _traces) = (null, null);
    }

    // The same as at /metrics.
    private static MetricStreamConfiguration? ViewOf(Instrument instrument) =>
        !instrument.Meter.Name.StartsWith("Microsoft.", StringComparison.Ordinal) ? null
        : !MetricReader.WebInstruments.Contains(instrument.Name) ? MetricStreamConfiguration.Drop
        : instrument is Histogram<double> ? new ExplicitBucketHistogramConfiguration { Boundaries = MetricReader.RequestBounds } : null;

    private static void Configure(OtlpExporterOptions exporter, TelemetryOptions settings, string path)
    {
        var isHttp = settings.OtlpProtocol == "http";
        exporter.Protocol = isHttp ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        exporter.Endpoint = new Uri(isHttp ? $"{settings.OtlpEndpoint!.TrimEnd('/')}/{path}" : settings.OtlpEndpoint!);
        if (settings.OtlpHeaders is { } headers) exporter.Headers = headers;
    }

    /// <summary>Chooses requests by itself, whatever their callers say; what belongs to a chosen request is chosen, too.</summary>
    internal sealed class OwnChoiceSampler(Sampler share) : Sampler
    {
        public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
        {
            var parent = samplingParameters.ParentContext;
            if (parent.TraceId == default) return share.ShouldSample(samplingParameters);
            if (!parent.IsRemote) return new SamplingResult((parent.TraceFlags & ActivityTraceFlags.Recorded) != 0);

            // The share goes by the id, and callers make theirs as they like.
            return share.ShouldSample(new SamplingParameters(
                default, ActivityTraceId.CreateRandom(), samplingParameters.Name, samplingParameters.Kind, samplingParameters.Tags, samplingParameters.Links));
        }
    }
}
