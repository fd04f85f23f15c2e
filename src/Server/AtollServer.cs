using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Promotion;
using Atoll.Registry;
using Atoll.Tenancy;
using Atoll.Training;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace Atoll;

/// <summary>A running server: every module put together, in one process on one address.</summary>
/// <remarks>Made by <c>atoll serve</c>, by the quickstart and by tests, which run the very same thing.</remarks>
internal sealed class AtollServer : IAsyncDisposable
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
    /// <exception cref="OptionsValidationException">A setting is out of its range.</exception>
    public static async Task<AtollServer> StartAsync(
        string[] arguments, Action<WebApplicationBuilder>? configure = null, CancellationToken cancellationToken = default)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.Sources.Clear();
        AddSettings(builder.Configuration, arguments);
        var options = BindOptions(builder);
        var folder = DataFolder.Open(options.Data);
        try
        {
            ConfigureWeb(builder, options);
            builder.Services.AddPlatform(folder);
            builder.Services.AddTenancy();
            builder.Services.AddDatasets();
            builder.Services.AddTraining(builder.Configuration);
            builder.Services.AddRegistry();
            builder.Services.AddDeployments();
            configure?.Invoke(builder);

            var app = builder.Build();
            Map(app);
            await SqliteDatabase.MigrateAsync(app.Services, cancellationToken);
            var firstKey = await app.Services.GetRequiredService<FirstStart>().RunAsync(cancellationToken);
            await app.StartAsync(cancellationToken);
            return new AtollServer(app, folder, firstKey);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Completes when the process is asked to stop and has stopped serving.</summary>
    public Task WaitForShutdownAsync(CancellationToken cancellationToken) => _app.WaitForShutdownAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        _folder.Dispose();
    }

    private static void AddSettings(IConfigurationBuilder configuration, string[] arguments)
    {
        var flags = new ConfigurationBuilder().AddCommandLine(arguments).Build();
        if (flags["config"] is { } file) configuration.AddJsonFile(Path.GetFullPath(file), optional: false);
        configuration.AddEnvironmentVariables("ATOLL_");
        configuration.AddCommandLine(arguments);
    }

    private static AtollOptions BindOptions(WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<AtollOptions>().BindConfiguration("Atoll").ValidateDataAnnotations().ValidateOnStart();
        var options = new AtollOptions();
        builder.Configuration.GetSection("Atoll").Bind(options);
        return options;
    }

    private static void ConfigureWeb(WebApplicationBuilder builder, AtollOptions options)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseUrls(options.Urls.Split(';', StringSplitOptions.RemoveEmptyEntries));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = options.RequestBytesMax;
            kestrel.AddServerHeader = false;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(options.ShutdownSeconds));
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, AtollJson.Default);
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
            json.SerializerOptions.DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull;
        });
        builder.Logging.ClearProviders();
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
            console.UseUtcTimestamp = true;
        });
        builder.Logging.SetMinimumLevel(LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddOpenApi("v1");
    }

    private static void Map(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseRouting();
        app.UseMiddleware<CallerMiddleware>();

        app.MapGet("/healthz", () => TypedResults.Text("ok\n")).ForAnybody("says only that the process lives").ExcludeFromDescription();
        app.MapGet("/readyz", () => TypedResults.Text("ready\n")).ForAnybody("says only that the process answers").ExcludeFromDescription();
        app.MapOpenApi("/openapi/{documentName}.json").ForAnybody("the description of the API holds no data");

        var api = app.MapGroup("/api/v1");
        api.MapTenancy();
        api.MapTraining();
        api.MapRegistry();
        api.MapPromotion();
        api.MapDeployments();
    }
}
