using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Security;
using Microsoft.Extensions.Options;

namespace Atoll.ModelImports;

/// <summary>Models from elsewhere: read, checked and tried in a sandboxed process before they become versions.</summary>
internal static class ModelImportsModule
{
    /// <summary>The job behind every import of a model.</summary>
    public static JobKind ImportJob { get; } = new(RunModelImport.Kind, RunModelImport.Lane, typeof(RunModelImport));

    public static void AddModelImports(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<ModelImportsOptions>("ModelImports");
        var options = (ModelImportsOptions)Settings.Read(configuration, new SettingsSection("ModelImports", typeof(ModelImportsOptions)));
        services.AddSingleton<IBlobReferences, ModelImportTables.BlobReferences>();
        services.AddScoped<QueueModelImport>();
        services.AddScoped<ConfigureModel>();
        services.AddJobKind(ImportJob);
        services.AddJobLane(RunModelImport.Lane, options.Slots);
    }

    public static void MapModelImports(this RouteGroupBuilder api)
    {
        var upload = new UploadLimit(((IEndpointRouteBuilder)api).ServiceProvider.GetRequiredService<IOptions<AtollOptions>>().Value.UploadBytesMax);
        api.MapPost("/models/{model}/versions", CreateModelImport.HandleAsync).Needs(Permissions.ModelsWrite).Repeatable().WithMetadata(upload)
            .Accepts<ModelImportForm>("multipart/form-data").DisableAntiforgery().WithTags("Models")
            .WithExample("""{"file":"<bytes of an ONNX, XGBoost or LightGBM file>","labels":["no","yes"]}""")
            .WithName("importModelVersion").WithSummary("Make the next version of a model of an uploaded file; ?wait=true answers when it is done.");
        var imports = api.MapGroup("/model-imports").WithTags("Models");
        imports.MapGet("/{modelImport}", GetModelImport.HandleAsync).Needs(Permissions.ModelsRead)
            .WithName("getModelImport").WithSummary("Where the import of a model stands, or why it was refused.");
        imports.MapAction("/{modelImport}:cancel", GetModelImport.HandleCancelAsync).Needs(Permissions.ModelsWrite)
            .WithName("cancelModelImport").WithSummary("Stop the import of a model; nothing of it remains.");
    }

    /// <summary>The form as the description of the API shows it; it is read part by part.</summary>
    private sealed record ModelImportForm(IFormFile File, IReadOnlyList<string>? Labels, StepLoop? Steps);
}
