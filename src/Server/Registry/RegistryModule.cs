using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Registry;

/// <summary>Models, their versions and the aliases that name them.</summary>
internal static class RegistryModule
{
    public static void AddRegistry(this IServiceCollection services)
    {
        services.AddSingleton<RegistryChanges>();
        services.AddSingleton<IBlobReferences, RegistryTables.BlobReferences>();
    }

    public static void MapRegistry(this RouteGroupBuilder api)
    {
        var models = api.MapGroup("/models").WithTags("Models");
        models.MapGet("/", ListModels.HandleAsync).Needs(Permissions.ModelsRead)
            .WithName("listModels").WithSummary("Models by name.");
        models.MapGet("/{model}", ListModels.HandleOneAsync).Needs(Permissions.ModelsRead)
            .WithName("getModel").WithSummary("A model with its aliases.");
        models.MapDelete("/{model}", DeleteModel.HandleAsync).Needs(Permissions.ModelsWrite)
            .WithName("deleteModel").WithSummary("Delete a model, its versions and its endpoint.");
        models.MapGet("/{model}/versions", ListModelVersions.HandleAsync).Needs(Permissions.ModelsRead)
            .WithName("listModelVersions").WithSummary("Versions of a model, newest first.");
        models.MapGet("/{model}/versions/{version}", GetModelVersion.HandleAsync).Needs(Permissions.ModelsRead)
            .WithName("getModelVersion").WithSummary("A version, by number or alias: digest, signature, metrics, lineage.");
        models.MapDelete("/{model}/versions/{version}", DeleteModel.HandleVersionAsync).Needs(Permissions.ModelsWrite)
            .WithName("deleteModelVersion").WithSummary("Delete a version that no alias names.");
        models.MapGet("/{model}/versions/{version}/report", GetModelVersion.HandleReportAsync).Needs(Permissions.ModelsRead)
            .WithName("getModelReport").WithSummary("Evaluation, candidates and preparation of a version.");
        models.MapGet("/{model}/versions/{version}/card", GetModelCard.HandleAsync).Needs(Permissions.ModelsRead)
            .WithName("getModelCard").WithSummary("What is known of a version and what is not: purpose, data, scores, limits; as a page for text/html.")
            .Produces<ModelCardResponse>(StatusCodes.Status200OK, "application/json", "text/html");
        models.MapPut("/{model}/notes", SetModelNotes.HandleAsync).Needs(Permissions.ModelsWrite)
            .WithName("setModelNotes").WithSummary("Say what a model is meant for; shown on the cards of its versions.")
            .WithExample("""{ "intendedUse": "Which customers to call first.", "notFor": "Decisions about credit.", "licence": "internal", "contact": "sales-data@example.com" }""");
        models.MapGet("/{model}/versions/{version}/artifact", GetModelVersion.HandleArtifactAsync).Needs(Permissions.ModelsRead)
            .WithName("downloadModelVersion").WithSummary("The version's ONNX file.");
        models.MapPut("/{model}/aliases/{alias}", MoveAlias.HandleAsync).Needs(Permissions.ModelsWrite)
            .WithName("moveAlias").WithSummary("Point an alias of your own at a version.")
            .WithExample("""{ "version": 3 }""");
        models.MapDelete("/{model}/aliases/{alias}", MoveAlias.HandleDeleteAsync).Needs(Permissions.ModelsPromote)
            .WithName("deleteAlias").WithSummary("Remove an alias; an endpoint without production alias answers with the latest version.");
    }
}
