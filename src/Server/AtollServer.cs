using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Einstein;
using Atoll.ModelImports;
using Atoll.Monitoring;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Atoll.Prediction;
using Atoll.Promotion;
using Atoll.Registry;
using Atoll.Tenancy;
using Atoll.Training;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Atoll;

/// <summary>A running server: every module put together, in one process on one address.</summary>
/// <remarks>Made by <c>atoll serve</c>, by the quickstart and by tests, which run the very same thing.</remarks>
internal sealed partial class AtollServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly DataFolder _folder;

    private AtollServer(WebApplication app, DataFolder folder, string? firstKey)
    {
        _app = app;
        _folder = folder;
        FirstKey = firstKey;
        Address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    /// <summary>Where it listens, with the port that was taken.</summary>
    public string Address { get; }

    /// <summary>The platform administrator's key, if this start made it. It can never be read again.</summary>
    public string? FirstKey { get; }

    public IServiceProvider Services => _app.Services;

    /// <summary>Starts a server; it is ready when this returns.</summary>
    /// <param name="arguments">Settings as flags: <c>--Atoll:Data=folder</c>.</param>
    /// <param name="configure">Changes to the services, for tests.</param>
    /// <exception cref="DataFolderException">The data folder cannot be used.</exception>
    /// <exception cref="SettingsException">A setting is unknown or out of its range.</exception>
    public static async Task<AtollServer> StartAsync(
        string[] arguments, Action<WebApplicationBuilder>? configure = null, CancellationToken cancellationToken = default)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.Sources.Clear();
        AddSettings(builder.Configuration, arguments);
        builder.Services.AddPlatform();
        builder.Services.AddTenancy();
        builder.Services.AddDatasets(builder.Configuration);
        builder.Services.AddTraining(builder.Configuration);
        builder.Services.AddRegistry();
        builder.Services.AddDeployments();
        builder.Services.AddModelImports(builder.Configuration);
        builder.Services.AddPrediction();
        builder.Services.AddMonitoring();
        builder.Services.AddEinstein();
        var options = CheckSettings(builder, arguments);
        var folder = DataFolder.Open(options.Data);
        try
        {
            builder.Services.AddSingleton(folder);
            var starting = new Starting();
            ConfigureWeb(builder, options, starting);
            configure?.Invoke(builder);

            var app = builder.Build();

            // Before anything is measured; and the instruments of each layer before anybody reads them.
            app.Services.GetRequiredService<MetricReader>();
            app.Services.GetServices<IMetrics>();
            Map(app, options);
            WarnOfUnknownVariables(app);
            await SqliteDatabase.MigrateAsync(app.Services, cancellationToken);
            await RepeatedRequests.RecoverAsync(app.Services, cancellationToken);
            try
            {
                await app.StartAsync(cancellationToken);
                starting.IsOver = true;

                // Answers already; it only does not say that it is ready.
                await app.Services.GetRequiredService<WarmUp>().RunAsync(cancellationToken);
                app.Services.GetRequiredService<Readiness>().Reach();

                // Last, because the key can be shown only once: a start that fails, say at a port in use, must not use it up.
                // Not cancelled, because a key that is made and not shown is lost; whoever stops the server now still reads it.
                cancellationToken.ThrowIfCancellationRequested();
                var firstKey = await app.Services.GetRequiredService<FirstStart>().RunAsync(CancellationToken.None);
                return new AtollServer(app, folder, firstKey);
            }
            catch
            {
                // Workers may run already, although nobody can be answered.
                await app.StopAsync(CancellationToken.None);
                await app.DisposeAsync();
                throw;
            }
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Completes when the process is asked to stop and has stopped serving.</summary>
    public Task WaitForShutdownAsync(CancellationToken cancellationToken) => StopAsync(() => _app.WaitForShutdownAsync(cancellationToken));

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync(() => _app.StopAsync());
            await _app.DisposeAsync();
        }
        finally
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            _folder.Dispose();
        }
    }

    // What does not end in time is left behind: that is worth a line, and no reason to fail.
    private async Task StopAsync(Func<Task> stop)
    {
        try
        {
            await stop();
        }
        catch (OperationCanceledException)
        {
            var running = Services.GetServices<IHostedService>().OfType<BackgroundService>().Where(service => service.ExecuteTask is { IsCompleted: false });
            var names = string.Join(", ", running.Select(service => service.GetType().Name).DefaultIfEmpty("requests"));
            Log.StoppedLate(Services.GetRequiredService<ILogger<AtollServer>>(), Services.GetRequiredService<IOptions<AtollOptions>>().Value.ShutdownSeconds, names);
        }
    }

    private static void AddSettings(IConfigurationBuilder configuration, string[] arguments)
    {
        if (Flags(arguments)["config"] is { } file)
        {
            file = Path.GetFullPath(file);
            if (!File.Exists(file)) throw new SettingsException($"There is no settings file {file}.");
            configuration.AddJsonFile(file, optional: false);
        }
        configuration.AddEnvironmentVariables(Settings.VariablePrefix);
        configuration.AddCommandLine(arguments);
    }

    private static IConfigurationRoot Flags(string[] arguments)
    {
        try
        {
            return new ConfigurationBuilder().AddCommandLine(arguments).Build();
        }
        catch (FormatException exception)
        {
            throw new SettingsException(exception.Message);
        }
    }

    /// <summary>Reads every section that a module declared.</summary>
    private static AtollOptions CheckSettings(WebApplicationBuilder builder, string[] arguments)
    {
        var sections = Settings.DeclaredIn(builder.Services);
        var flags = Flags(arguments);
        if (flags["config"] is { } file)
            Settings.RefuseUnknownKeys(new ConfigurationBuilder().AddJsonFile(Path.GetFullPath(file)).Build(), sections, $"in {file}");
        Settings.RefuseUnknownKeys(flags, sections, "on the command line");
        return sections.Select(section => Settings.Read(builder.Configuration, section)).OfType<AtollOptions>().Single();
    }

    private static void WarnOfUnknownVariables(WebApplication app)
    {
        var variables = Environment.GetEnvironmentVariables().Keys.Cast<string>();
        foreach (var sentence in Settings.UnknownVariables(variables, [.. app.Services.GetServices<SettingsSection>()])) Log.UnknownVariable(app.Logger, sentence);
    }

    private static void ConfigureWeb(WebApplicationBuilder builder, AtollOptions options, Starting starting)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseUrls(options.Urls.Split(';', StringSplitOptions.RemoveEmptyEntries));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = options.RequestBytesMax;
            kestrel.AddServerHeader = false;
            kestrel.ConfigureEndpointDefaults(listen =>
            {
                CleartextHttp2.Use(listen);
                ConnectionMemory.Use(listen);
            });
        });
        builder.Services.Configure<HostOptions>(host =>
        {
            host.ShutdownTimeout = TimeSpan.FromSeconds(options.ShutdownSeconds);

            // Jobs begin to stop while requests finish; one after the other, a slow request would leave the jobs no time.
            host.ServicesStopConcurrently = true;
        });
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, AtollJson.Default);
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
            json.SerializerOptions.DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull;
            json.SerializerOptions.RespectNullableAnnotations = true;
        });
        // Parameters that cannot be read reach the one place where exceptions become answers.
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Logging.ClearProviders();
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
            console.UseUtcTimestamp = true;
        });
        // Nobody waits for whoever reads the lines.
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite);
        builder.Logging.SetMinimumLevel(LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);

        // What stops the start is thrown, and told by whoever started; here it would come with a stack trace before.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => starting.IsOver && level >= LogLevel.Warning);

        // Its lines are never wanted, and while it is on every request pays for an activity and a scope.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);

        // What fails in the database is logged where it is handled.
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.None);
        builder.Services.AddOpenApiDocument();
    }

    private static void Map(WebApplication app, AtollOptions options)
    {
        app.UseTrustedProxies(options.TrustedProxies);
        app.Use(RequestTrace.TellAsync);
        app.UseMiddleware<FailedRequestLog>();
        app.UseExceptionHandler();
        app.UseMiddleware<ExpressLane>();
        app.UseStatusCodePages(EmptyAnswers.WriteAsync);
        app.Use(NamedTenant.TakeAsync);
        app.UseRouting();
        app.UseMiddleware<CallerMiddleware>();
        app.UseMiddleware<KnownCharsets>();
        app.UseMiddleware<UnknownQuery>();
        app.UseMiddleware<RepeatedRequests>();

        app.MapGet("/", (Delegate)Welcome.HandleAsync).ForAnybody("names only the product").ExcludeFromDescription();
        app.MapGet("/healthz", () => TypedResults.Text("ok\n")).ForAnybody("says only that the process lives").ExcludeFromDescription();
        app.MapGet("/readyz", (Delegate)ReadyAnswer.HandleAsync).ForAnybody("says only that the process answers").ExcludeFromDescription();
        app.MapGet("/metrics", GetMetrics.HandleAsync).Needs(Permissions.PlatformObserve).ExcludeFromDescription();
        app.MapOpenApi("/openapi/{documentName}.json").ForAnybody("the description of the API holds no data");

        var api = app.MapGroup("/api/v1");
        api.MapTenancy();
        app.MapOAuth();
        api.MapTraining();
        api.MapDatasets();
        api.MapRegistry();
        api.MapModelImports();
        api.MapPromotion();
        api.MapDeployments();
        api.MapPrediction();
        api.MapMonitoring();
        app.MapEinstein();
        app.MapOpenInference();
        app.MapOpenInferenceGrpc();
        app.MapGrpc();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "{Sentence}")]
        public static partial void UnknownVariable(ILogger logger, string sentence);

        [LoggerMessage(LogLevel.Warning, "Stopped after {Seconds} s without waiting any longer for: {Names}.")]
        public static partial void StoppedLate(ILogger logger, int seconds, string names);
    }

    /// <summary>Whether the start is over, for the log.</summary>
    private sealed class Starting
    {
        public volatile bool IsOver;
    }
}
