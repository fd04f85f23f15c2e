using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Promotion;

/// <summary>Moves of a model between environments, through gates.</summary>
internal static class PromotionModule
{
    public static void MapPromotion(this RouteGroupBuilder api)
    {
        var models = api.MapGroup("/models").WithTags("Promotion");
        models.MapAction("/{model}:promote", PromoteModel.HandleAsync).Needs(Permissions.ModelsPromote)
            .WithName("promoteModel").WithSummary("Move an environment's alias to a version when its gates hold.")
            .WithExample("""{ "version": 3, "to": "production", "gates": [{ "metric": "auc", "atLeast": 0.8 }] }""");
        models.MapGet("/{model}/promotions", PromoteModel.HandleListAsync).Needs(Permissions.ModelsRead)
            .WithName("listPromotions").WithSummary("Attempts to promote, newest first, with what the gates found.");
    }
}
